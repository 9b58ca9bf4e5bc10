import { status } from '@grpc/grpc-js';
import { STATUS_DETAILS_KEY, encodeStatusDetails } from '@holdfast/contracts';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import type { EngineClient, GenerateCall, GenerateEvent } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import { createVllmClient } from './create-vllm-client.js';
import {
  type EngineScript,
  type GenerateStream,
  type ScriptedEngine,
  call,
  chunk,
  complete,
  kvInfo,
  answer,
  startScriptedEngine,
} from './fixtures/scripted-engine.js';
import { overGenerate } from './fixtures/scripted-request-stream.js';
import type { VllmTimeouts } from './options.js';

let engine: ScriptedEngine | undefined;
let client: EngineClient | undefined;

afterEach(() => {
  client?.close();
  engine?.stop();
});

type Connect = (generate: (stream: GenerateStream) => void, timeouts?: VllmTimeouts) => Promise<EngineClient>;

const connectTo = async (script: EngineScript, timeouts: VllmTimeouts): Promise<EngineClient> => {
  engine = await startScriptedEngine(script);
  client = createVllmClient({
    engineId: 'scripted',
    address: engine.address,
    prefillCost: { baseSeconds: 0, perTokenSeconds: 0, perTokenSquaredSeconds: 0 },
    timeouts,
  });
  return client;
};

const collect = async (on: EngineClient, given: GenerateCall = call()): Promise<GenerateEvent[]> => {
  const events: GenerateEvent[] = [];
  for await (const event of on.generate(given)) events.push(event);
  return events;
};

const failure = async (work: Promise<unknown>): Promise<EngineError> => {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(EngineError);
  return outcome as EngineError;
};

/** A script that writes these messages and ends. */
const says =
  (...messages: Parameters<GenerateStream['write']>[0][]) =>
  (stream: GenerateStream): void => {
    for (const message of messages) stream.write(message);
    stream.end();
  };

/** A stock engine is asked by calls, one with KvControl and request streams by its request stream. */
const overCalls: Connect = (generate, timeouts = {}) => connectTo({ generate }, timeouts);

const overStream: Connect = async (generate, timeouts = {}) => {
  const asCall = (): never => {
    throw new Error('Generate was called, although there is a request stream');
  };
  const kvControl = { getInfo: answer(kvInfo({})) };
  const on = await connectTo({ generate: asCall, run: overGenerate(generate), kvControl }, timeouts);
  await on.info();
  return on;
};

describe.each([
  ['Generate', overCalls],
  ['a request stream', overStream],
])('over %s', (_way, connect) => {
  describe('a Generate stream that keeps the protocol', () => {
    it('yields the deltas and one complete, whose output is all of them', async () => {
      const on = await connect(says(chunk([1, 2], { cachedTokens: 2 }), chunk([]), chunk([3]), complete([1, 2, 3])));
      expect(await collect(on)).toEqual([
        { type: 'tokens', tokenIds: [1, 2], cachedTokens: 2 },
        { type: 'tokens', tokenIds: [3], cachedTokens: 2 },
        { type: 'complete', finishReason: 'length', promptTokens: 3, cachedTokens: 2, outputIds: [1, 2, 3] },
      ]);
    });

    it('accepts a complete message that repeats the last chunk only, as a stock vLLM sends it', async () => {
      const on = await connect(says(chunk([1, 2]), chunk([3]), complete([3], { finishReason: 'stop' })));
      expect((await collect(on)).at(-1)).toMatchObject({ finishReason: 'stop', outputIds: [1, 2, 3] });
    });

    it('yields complete although the engine forgets to end the stream', async () => {
      const on = await connect((stream) => {
        stream.write(chunk([1]));
        stream.write(complete([1]));
      });
      expect((await collect(on)).map((event) => event.type)).toEqual(['tokens', 'complete']);
    });

    it('takes an abort without tokens as a complete answer', async () => {
      const on = await connect(says(complete([], { finishReason: 'abort' })));
      expect(await collect(on)).toEqual([
        { type: 'complete', finishReason: 'abort', promptTokens: 3, cachedTokens: 0, outputIds: [] },
      ]);
    });

    it('reads the pin of the answer and takes garbage in its place as no pin', async () => {
      const holdfast = { pinnedBlocks: 1, pinnedTokens: 16, expiresInMs: 900, epoch: 'e1' };
      const good = await connect(
        says(chunk([1]), complete([1], { kvTransferParamsJson: JSON.stringify({ holdfast }) })),
      );
      expect((await collect(good)).at(-1)).toMatchObject({ pin: { pinnedTokens: 16, expiresInMs: 900 } });
      client?.close();
      engine?.stop();
      const bad = await connect(says(chunk([1]), complete([1], { kvTransferParamsJson: '{"holdfast": 1' })));
      expect((await collect(bad)).at(-1)).not.toHaveProperty('pin');
    });
  });

  describe('a Generate stream that breaks the protocol', () => {
    it.each([
      ['a message that is no protobuf', [Buffer.from([0xff, 0xff, 0xff, 0xff])], /pars|deserializ/i],
      ['a message without content', [Buffer.alloc(0)], /neither chunk nor complete|without complete/],
      [
        'an answer complete without a token',
        [complete([], { finishReason: 'stop' })],
        /complete \("stop"\) without a token/,
      ],
      ['tokens after complete', [chunk([1]), complete([1]), chunk([2])], /chunk message follows the complete one/],
      ['two completes', [chunk([1]), complete([1]), complete([1])], /complete message follows the complete one/],
      [
        'a completion count that disagrees',
        [chunk([1]), complete([1], { completionTokens: 7 })],
        /completion_tokens is 7, but 1/,
      ],
      ['output that was not streamed', [chunk([1]), complete([9])], /no tail of the 1 streamed/],
      ['more output than was streamed', [chunk([1]), complete([1, 2])], /no tail of the 1 streamed/],
      ['another prompt length', [chunk([1], { promptTokens: 4 })], /prompt_tokens is 4, but 3 were sent/],
      ['more cached than prompt tokens', [chunk([1], { cachedTokens: 4 })], /cached_tokens is 4/],
      ['a second answer', [chunk([1], { index: 1 })], /index 1; one answer/],
      ['an unknown finish reason', [chunk([1]), complete([1], { finishReason: 'bored' })], /"bored"; allowed is stop/],
      ['no complete', [chunk([1]), chunk([2])], /ended after 2 tokens without complete/],
    ])('%s is ENGINE_PROTOCOL_VIOLATED', async (_name, messages, text) => {
      const error = await failure(collect(await connect(says(...messages))));
      expect(error).toMatchObject({ reason: 'ENGINE_PROTOCOL_VIOLATED', retryable: false, engineId: 'scripted' });
      expect(error.message).toMatch(text);
    });

    it('more tokens than asked for are ENGINE_PROTOCOL_VIOLATED', async () => {
      const on = await connect(says(chunk([1, 2, 3])));
      expect((await failure(collect(on, call({ sampling: { maxTokens: 2 } })))).message).toMatch(
        /3 tokens came; 2 were allowed/,
      );
    });

    it('tokens without the log probabilities that were asked for are ENGINE_PROTOCOL_VIOLATED', async () => {
      const on = await connect(says(chunk([1, 2]), complete([1, 2])));
      const error = await failure(collect(on, call({ sampling: { maxTokens: 5, logprobs: 0 } })));
      expect(error).toMatchObject({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId: 'scripted' });
      expect(error.message).toMatch(/2 tokens came with the log probabilities of 0/);
    });

    it('a request that failed inside the engine may be tried again', async () => {
      const error = await failure(collect(await connect(says(chunk([1]), complete([1], { finishReason: 'error' })))));
      expect(error).toMatchObject({ reason: 'ENGINE_PROTOCOL_VIOLATED', retryable: true });
    });
  });

  describe('an engine that goes away or falls silent', () => {
    it('never answers: ENGINE_DEADLINE, and the call is cancelled in the engine', async () => {
      const cancelled: Promise<void>[] = [];
      const on = await connect(
        (stream) => cancelled.push(new Promise((resolve) => stream.on('cancelled', () => resolve()))),
        { firstMessageMs: 150 },
      );
      await on.checkHealth();
      expect(await failure(collect(on))).toMatchObject({ reason: 'ENGINE_DEADLINE', retryable: true });
      await cancelled[0];
    });

    it('hangs mid-stream: what came is yielded, then ENGINE_DEADLINE', async () => {
      const on = await connect((stream) => stream.write(chunk([1])), { streamIdleMs: 150 });
      const events: GenerateEvent[] = [];
      const reading = (async () => {
        for await (const event of on.generate(call())) events.push(event);
      })();
      expect(await failure(reading)).toMatchObject({ reason: 'ENGINE_DEADLINE', retryable: true });
      expect(events).toHaveLength(1);
    });

    it('closes the connection mid-stream: ENGINE_UNREACHABLE', async () => {
      const on = await connect((stream) => {
        stream.write(chunk([1]));
        setTimeout(() => engine?.stop(), 50);
      });
      expect(await failure(collect(on))).toMatchObject({ reason: 'ENGINE_UNREACHABLE', retryable: true });
    });

    it('is not there: ENGINE_UNREACHABLE', async () => {
      const on = await connect(says());
      engine?.stop();
      expect(await failure(collect(on))).toMatchObject({ reason: 'ENGINE_UNREACHABLE', retryable: true });
      expect(await failure(on.checkHealth())).toMatchObject({ reason: 'ENGINE_UNREACHABLE' });
    });

    it('never answers a unary call: ENGINE_DEADLINE', async () => {
      engine = await startScriptedEngine({ healthCheck: () => undefined });
      client = createVllmClient({
        engineId: 'scripted',
        address: engine.address,
        prefillCost: { baseSeconds: 0, perTokenSeconds: 0, perTokenSquaredSeconds: 0 },
        timeouts: { unaryMs: 200 },
      });
      await client.info();
      expect(await failure(client.checkHealth())).toMatchObject({ reason: 'ENGINE_DEADLINE', retryable: true });
    });
  });

  describe('a status instead of an answer', () => {
    const fails = (code: status, details: string, metadata?: Metadata) => (stream: GenerateStream) =>
      void stream.emit('error', { code, details, ...(metadata === undefined ? {} : { metadata }) });

    it.each([
      [status.INVALID_ARGUMENT, 'FIELD_INVALID', false],
      [status.UNAVAILABLE, 'ENGINE_UNREACHABLE', true],
      [status.INTERNAL, 'ENGINE_PROTOCOL_VIOLATED', true],
      [status.RESOURCE_EXHAUSTED, 'QUEUE_FULL', true],
      [status.UNIMPLEMENTED, 'ENGINE_CAPABILITY_MISSING', false],
    ])('code %i is %s', async (code, reason, retryable) => {
      const error = await failure(collect(await connect(fails(code, 'said why'))));
      expect(error).toMatchObject({ reason, retryable });
      expect(error.message).toMatch(/Generate: said why/);
    });

    it.each([
      ['PROMPT_TOO_LONG', 'PROMPT_TOO_LONG'],
      ['DRAINING', 'ENGINE_UNREACHABLE'],
      ['A_REASON_OF_TOMORROW', 'FIELD_INVALID'],
    ])('the reason %s of a Holdfast error detail wins over the code: %s', async (reason, expected) => {
      const metadata = new Metadata();
      const details = { code: status.INVALID_ARGUMENT, message: 'no', reason, metadata: {} };
      metadata.set(STATUS_DETAILS_KEY, encodeStatusDetails(details));
      const error = await failure(collect(await connect(fails(status.INVALID_ARGUMENT, 'no', metadata))));
      expect(error.reason).toBe(expected);
    });
  });

  describe('a request that cannot be sent', () => {
    it('without tokens is PROMPT_EMPTY', async () => {
      const on = await connect(says());
      expect(await failure(collect(on, call({ promptIds: new Uint32Array() })))).toMatchObject({
        reason: 'PROMPT_EMPTY',
      });
    });

    it('with a value that the wire cannot carry is FIELD_INVALID', async () => {
      const on = await connect(says());
      const error = await failure(collect(on, call({ sampling: { maxTokens: 0 } })));
      expect(error).toMatchObject({ reason: 'FIELD_INVALID' });
      expect(error.message).toMatch(/maxTokens is 0; allowed is 1/);
    });
  });
});
