import { type ClientDuplexStream, credentials, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { decodeStatusDetails, engine, vllm } from '@holdfast/contracts';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { type AskOptions, detailsOf, generateRequest, TestEngine, until } from '../../test/engine-harness.js';

/** What came for one request. */
interface Heard {
  readonly tokenIds: number[];
  readonly responses: vllm.GenerateResponse[];
  end: engine.CallEnd | undefined;
}

/** One caller's stream, and what came over it. */
class Caller {
  readonly #client: engine.RequestStreamServiceClient;
  readonly stream: ClientDuplexStream<engine.RunRequest, engine.RunResponse>;
  readonly #heard = new Map<number, Heard>();
  failure: ServiceError | undefined;

  constructor(address: string) {
    this.#client = new engine.RequestStreamServiceClient(address, credentials.createInsecure());
    this.stream = this.#client.run();
    this.stream.on('error', (error: ServiceError) => (this.failure = error));
    this.stream.on('data', ({ callId, generateResponse, end }: engine.RunResponse) => {
      const heard = this.heard(callId);
      heard.end = end;
      if (generateResponse.length === 0) return;
      const response = vllm.GenerateResponse.decode(generateResponse);
      heard.responses.push(response);
      if (response.response?.$case === 'chunk') heard.tokenIds.push(...response.response.value.tokenIds);
    });
  }

  heard(callId: number): Heard {
    const heard = this.#heard.get(callId) ?? { tokenIds: [], responses: [], end: undefined };
    this.#heard.set(callId, heard);
    return heard;
  }

  start(callId: number, options: AskOptions & { readonly window?: number; readonly bytes?: Buffer } = {}): void {
    const { window = 1_000, bytes = Buffer.from(vllm.GenerateRequest.encode(generateRequest(options)).finish()) } =
      options;
    const value = { generateRequest: bytes, window, traceparent: '', tracestate: '' };
    this.stream.write({ callId, action: { $case: 'start', value } });
  }

  grant(callId: number, responses: number): void {
    this.stream.write({ callId, action: { $case: 'grant', value: { responses } } });
  }

  cancel(callId: number): void {
    this.stream.write({ callId, action: { $case: 'cancel', value: {} } });
  }

  close(): void {
    this.stream.cancel();
    this.#client.close();
  }
}

let sim: TestEngine;
let caller: Caller;

beforeEach(async () => {
  sim = await TestEngine.start();
  caller = new Caller(sim.engine.address);
});

afterEach(async () => {
  caller.close();
  await sim.stop();
});

const running = async (): Promise<number> => (await sim.serverInfo({})).activeRequests;

const ended = (callId: number): Promise<void> => until(() => caller.heard(callId).end !== undefined);

const completeOf = ({ responses }: Heard): vllm.GenerateComplete | undefined => {
  const last = responses.at(-1)?.response;
  return last?.$case === 'complete' ? last.value : undefined;
};

const reasonOf = ({ end }: Heard): string | undefined =>
  end === undefined ? undefined : decodeStatusDetails(end.details)?.reason;

/** What was written before has been taken when this is answered. */
const actionsAreTaken = async (): Promise<void> => {
  caller.start(9_999, { sampling: { maxTokens: 1 } });
  await ended(9_999);
};

describe('a request stream', () => {
  it('sends its headers before anything is asked', async () => {
    const [headers] = (await once(caller.stream, 'metadata')) as [Metadata];
    expect(headers).toBeDefined();
  });

  it('answers as Generate does, many requests at a time', async () => {
    const asked = [11, 22, 33].map((id) => ({ promptIds: [id, id, id], sampling: { maxTokens: 40 } }));
    asked.forEach((options, index) => caller.start(index + 1, options));
    for (const [index, options] of asked.entries()) {
      await ended(index + 1);
      const heard = caller.heard(index + 1);
      const { complete } = await sim.ask(options);
      expect(heard.end).toMatchObject({ code: status.OK });
      expect(heard.tokenIds).toEqual(complete?.outputIds);
      expect(completeOf(heard)).toMatchObject({ completionTokens: 40, finishReason: 'length' });
    }
  });

  it('may use the id of a request that has ended again', async () => {
    caller.start(1);
    await ended(1);
    caller.heard(1).end = undefined;
    caller.start(1);
    await ended(1);
    expect(caller.heard(1).responses.filter(({ response }) => response?.$case === 'complete')).toHaveLength(2);
  });

  it('keeps to the window of each request, and loses nothing by it', async () => {
    const options = { promptIds: [4, 5], sampling: { maxTokens: 200 } };
    caller.start(1, { ...options, window: 2 });
    caller.start(2, options);
    await ended(2);
    await until(async () => (await running()) === 0);
    expect(caller.heard(1).responses).toHaveLength(2);
    expect(caller.heard(1).end).toBeUndefined();
    caller.grant(1, 1);
    await until(() => caller.heard(1).responses.length === 3);
    caller.grant(1, 5);
    await ended(1);
    expect(caller.heard(1).tokenIds).toEqual(caller.heard(2).tokenIds);
  });

  it('aborts a request that is cancelled, and says nothing more of it', async () => {
    caller.start(1, { sampling: { maxTokens: 4_000 } });
    await until(() => caller.heard(1).responses.length > 0);
    caller.cancel(1);
    await until(async () => (await running()) === 0);
    const { length } = caller.heard(1).responses;
    await actionsAreTaken();
    expect(caller.heard(1).responses).toHaveLength(length);
    expect(caller.heard(1).end).toBeUndefined();
  });

  it('leaves actions on requests that it does not know alone', async () => {
    caller.cancel(5);
    caller.grant(6, 1);
    await actionsAreTaken();
    expect(caller.failure).toBeUndefined();
  });
});

describe('a request that cannot be run ends alone', () => {
  it.each([
    ['without a prompt', { promptIds: [] }, 'PROMPT_EMPTY', /input/],
    ['with a window of 0', { window: 0 }, 'FIELD_INVALID', /start\.window: is 0; allowed: 1 to 4294967295/],
    [
      'of bytes that are no request',
      { bytes: Buffer.from([0xff, 0xff, 0xff]) },
      'FIELD_INVALID',
      /start\.generate_request: has 3 bytes that cannot be parsed .*; allowed: a vllm\.grpc\.engine\.GenerateRequest/,
    ],
  ])('%s', async (_name, options, reason, message) => {
    caller.start(1, options);
    caller.start(2);
    await ended(1);
    await ended(2);
    expect(caller.heard(1).end).toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: expect.stringMatching(message),
    });
    expect(reasonOf(caller.heard(1))).toBe(reason);
    expect(caller.heard(2).end).toMatchObject({ code: status.OK });
  });
});

describe('a stream ends', () => {
  it.each([
    ['by a start with id 0', () => caller.start(0), /call_id: is 0; allowed/],
    ['by a start with an id in use', () => caller.start(1), /call_id: is 1, which is in use; allowed/],
    ['by no action', () => void caller.stream.write({ callId: 3, action: undefined }), /action: is unset; allowed/],
  ])('%s, and what runs is aborted', async (_name, act, message) => {
    caller.start(1, { sampling: { maxTokens: 4_000 } });
    await until(() => caller.heard(1).responses.length > 0);
    act();
    await until(() => caller.failure !== undefined);
    expect(caller.failure).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(message),
    });
    expect(detailsOf(caller.failure)?.reason).toBe('FIELD_INVALID');
    await until(async () => (await running()) === 0);
  });

  it.each([
    ['when its caller is gone', () => caller.close()],
    ['when its caller has said all', () => void caller.stream.end()],
  ])('%s, and what runs is aborted', async (_name, leave) => {
    caller.start(1, { sampling: { maxTokens: 4_000 } });
    caller.start(2, { sampling: { maxTokens: 4_000 }, window: 1 });
    await until(() => caller.heard(1).responses.length > 0 && caller.heard(2).responses.length > 0);
    leave();
    await until(async () => (await running()) === 0);
  });

  it('with the engine, at once, and so do its requests', async () => {
    caller.start(1, { sampling: { maxTokens: 4_000 } });
    await until(() => caller.heard(1).responses.length > 0);
    await sim.engine.close();
    await until(() => caller.failure !== undefined);
    expect(caller.failure).toMatchObject({ code: status.UNAVAILABLE });
    expect(reasonOf(caller.heard(1))).toBe('DRAINING');
  });
});
