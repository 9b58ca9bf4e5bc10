import { Metadata } from '@grpc/grpc-js';
import type { engine as wire } from '@holdfast/contracts';
import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineClient, GenerateCall, GenerateEvent } from '../engine-client.js';
import { closeAll, connect, start } from './fixtures/scripted-client.js';
import { answer, call, chunk, complete, type GenerateStream, kvInfo } from './fixtures/scripted-engine.js';
import { bytesOf, news, overGenerate, type RunStream } from './fixtures/scripted-request-stream.js';
import type { VllmTimeouts } from './options.js';
import { WINDOW } from './streamed-call.js';

afterEach(closeAll);

const kvControl = { getInfo: answer(kvInfo({})) };

/** An engine that answers every request alike, and notes by which way it was asked. */
class NotingEngine {
  readonly asked: ('call' | 'stream')[] = [];
  readonly streams: RunStream[] = [];
  readonly actions: wire.RunRequest[] = [];

  /** Answers a Generate call. */
  readonly generate = (stream: GenerateStream): void => {
    this.asked.push('call');
    stream.write(chunk([1]));
    stream.write(complete([1]));
    stream.end();
  };

  /** Notes what comes over a request stream, whose requests `act` answers. */
  readonly runWith =
    (act: (stream: RunStream, request: wire.RunRequest) => void) =>
    (stream: RunStream): void => {
      this.streams.push(stream);
      stream.sendMetadata(new Metadata());
      stream.on('error', () => undefined);
      stream.on('data', (request: wire.RunRequest) => {
        this.actions.push(request);
        if (request.action?.$case === 'start') this.asked.push('stream');
        act(stream, request);
      });
    };

  /** The same answer over the stream, in one piece. */
  readonly run = this.runWith((stream, { callId, action }) => {
    if (action?.$case !== 'start') return;
    stream.write(news(callId, { generateResponse: bytesOf(chunk([1])) }));
    stream.write(news(callId, { generateResponse: bytesOf(complete([1])), end: ENDED_WELL }));
  });
}

const ENDED_WELL: wire.CallEnd = { code: 0, message: '', details: Buffer.alloc(0) };

const attach = async (
  script: Parameters<typeof start>[0],
  timeouts: VllmTimeouts = {},
): Promise<{ readonly client: EngineClient }> => {
  const engine = await start({ kvControl, ...script });
  const client = connect(engine, { timeouts });
  await client.info();
  return { client };
};

const collect = async (client: EngineClient, given: GenerateCall = call()): Promise<GenerateEvent[]> => {
  const events: GenerateEvent[] = [];
  for await (const event of client.generate(given)) events.push(event);
  return events;
};

const until = async (isSo: () => boolean): Promise<void> => {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`not so within 10 s: ${String(isSo)}`);
    await sleep(5);
  }
};

describe('which way a request goes', () => {
  it('over the request stream of an engine that has one, with its trace context', async () => {
    const engine = new NotingEngine();
    const { client } = await attach({ generate: engine.generate, run: engine.run });
    const trace = { traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01', tracestate: 'a=b' };
    expect((await collect(client, call(trace))).map(({ type }) => type)).toEqual(['tokens', 'complete']);
    expect(engine.asked).toEqual(['stream']);
    expect(engine.actions[0]).toMatchObject({ action: { $case: 'start', value: { ...trace, window: WINDOW } } });
  });

  it('as a call to an engine with KvControl that has no request streams', async () => {
    const engine = new NotingEngine();
    const { client } = await attach({ generate: engine.generate });
    await collect(client);
    expect(engine.asked).toEqual(['call']);
  });

  it('as a call where the stream does not open in time, and over one that opens later', async () => {
    const engine = new NotingEngine();
    let tries = 0;
    const run = (stream: RunStream): void => (++tries === 1 ? undefined : engine.run(stream));
    const { client } = await attach({ generate: engine.generate, run }, { unaryMs: 300, maxReconnectMs: 50 });
    await sleep(100);
    await collect(client);
    await until(() => engine.streams.length === 1);
    await sleep(20);
    await collect(client);
    expect(engine.asked).toEqual(['call', 'stream']);
  });

  it('as a call when it is long', async () => {
    const engine = new NotingEngine();
    const { client } = await attach({ generate: engine.generate, run: engine.run });
    const promptIds = new Uint32Array(400_000).fill(100_000);
    await expect(collect(client, call({ promptIds }))).rejects.toThrow(/prompt_tokens is 3/);
    await collect(client);
    expect(engine.asked).toEqual(['call', 'stream']);
  });

  it('as a call while more is unsent on the stream than it takes', async () => {
    const engine = new NotingEngine();
    // Nobody reads, so HTTP/2 soon takes no more.
    const run = (stream: RunStream): void => stream.sendMetadata(new Metadata());
    const { client } = await attach({ generate: engine.generate, run });
    const promptIds = new Uint32Array(300_000).fill(100_000);
    const callers = Array.from({ length: 20 }, () => new AbortController());
    const waiting = callers.map(({ signal }) =>
      collect(client, call({ promptIds, signal })).catch((error: unknown) => error),
    );
    await until(() => engine.asked.length > 0);
    for (const caller of callers) caller.abort();
    await Promise.all(waiting);
    expect(engine.asked.length).toBeLessThan(20);
  });

  it('as a call once nothing has come over the stream for as long as a request may wait', async () => {
    const engine = new NotingEngine();
    const run = engine.runWith(() => undefined);
    const { client } = await attach({ generate: engine.generate, run }, { firstMessageMs: 200 });
    await expect(collect(client)).rejects.toMatchObject({ reason: 'ENGINE_DEADLINE' });
    await collect(client);
    expect(engine.asked).toEqual(['stream', 'call']);
  });

  it('as a call once the stream has broken, and over a new one when that is open', async () => {
    const engine = new NotingEngine();
    const { client } = await attach({ generate: engine.generate, run: engine.run }, { maxReconnectMs: 50 });
    engine.streams[0]?.end();
    await until(() => engine.streams[0]?.closed === true);
    // Not at once: it was opened just now.
    await sleep(100);
    await collect(client);
    await until(() => engine.streams.length === 2);
    await sleep(20);
    await collect(client);
    expect(engine.asked).toEqual(['call', 'stream']);
  });
});

describe('a client', () => {
  it('keeps one stream, also when it looks at the engine several times at once', async () => {
    const engine = new NotingEngine();
    const scripted = await start({ kvControl, run: engine.run });
    const client = connect(scripted);
    await Promise.all([client.info(), client.info(), client.info()]);
    await until(() => engine.streams.filter(({ cancelled }) => !cancelled).length === 1);
    await collect(client);
    expect(engine.asked).toEqual(['stream']);
  });

  it('opens another one to an engine that has restarted behind the same connection', async () => {
    const engine = new NotingEngine();
    let epoch = 'e1';
    const getInfo: typeof kvControl.getInfo = (_call, reply) => reply(null, kvInfo({ epoch }));
    const { client } = await attach({ kvControl: { getInfo }, run: engine.run });
    await client.info();
    expect(engine.streams).toHaveLength(1);
    epoch = 'e2';
    await client.info();
    expect(engine.streams).toHaveLength(2);
    await until(() => engine.streams[0]?.cancelled === true);
    expect(await collect(client)).toHaveLength(2);
  });

  it('that is closed opens none', async () => {
    const engine = new NotingEngine();
    const { client } = await attach({ generate: engine.generate, run: engine.run }, { maxReconnectMs: 1 });
    client.close();
    await until(() => engine.streams[0]?.cancelled === true);
    await expect(collect(client)).rejects.toThrow();
    expect(engine.streams).toHaveLength(1);
  });
});

describe('requests of one stream', () => {
  it('have their own answers, in whatever order these come', async () => {
    const engine = new NotingEngine();
    const run = engine.runWith((stream, { callId }) => {
      if (callId !== 2) return;
      for (const id of [2, 1, 2, 1]) stream.write(news(id, { generateResponse: bytesOf(chunk([id])) }));
      for (const id of [1, 2]) {
        stream.write(news(id, { generateResponse: bytesOf(complete([id, id])), end: ENDED_WELL }));
      }
    });
    const { client } = await attach({ run });
    const answers = await Promise.all([collect(client, call({ requestId: 'a' })), collect(client)]);
    expect(answers.map((events) => events.at(-1))).toMatchObject([{ outputIds: [1, 1] }, { outputIds: [2, 2] }]);
  });

  it('are granted more answers as these are read, and none while nobody reads', async () => {
    const engine = new NotingEngine();
    const run = engine.runWith((stream, { callId, action }) => {
      const count =
        action?.$case === 'start' ? action.value.window : action?.$case === 'grant' ? action.value.responses : 0;
      for (let sent = 0; sent < count; sent += 1) stream.write(news(callId, { generateResponse: bytesOf(chunk([7])) }));
    });
    const grants = (): number =>
      engine.actions.reduce((sum, { action }) => sum + (action?.$case === 'grant' ? action.value.responses : 0), 0);
    const { client } = await attach({ run });
    const events = client.generate(call({ sampling: { maxTokens: 10_000 } }))[Symbol.asyncIterator]();
    await events.next();
    await sleep(100);
    expect(grants()).toBe(0);
    for (let read = 1; read < 10 * WINDOW; read += 1) await events.next();
    await until(() => grants() >= 9 * WINDOW);
    expect(grants()).toBeLessThanOrEqual(10 * WINDOW);
    await events.return?.();
  });

  it('are cancelled one by one; news that were on their way are dropped', async () => {
    const engine = new NotingEngine();
    const late = news(1, { generateResponse: bytesOf(chunk([1])) });
    const run = engine.runWith((stream, { callId, action }) => {
      if (action?.$case === 'cancel') stream.write(late);
      else if (callId === 1) stream.write(late);
      else
        stream.write(
          news(callId, { generateResponse: bytesOf(complete([], { finishReason: 'abort' })), end: ENDED_WELL }),
        );
    });
    const { client } = await attach({ run });
    for await (const event of client.generate(call())) {
      expect(event.type).toBe('tokens');
      break;
    }
    await until(() => engine.actions.some(({ callId, action }) => callId === 1 && action?.$case === 'cancel'));
    expect(await collect(client)).toHaveLength(1);
  });

  it('that have ended are not cancelled', async () => {
    const engine = new NotingEngine();
    const { client } = await attach({ run: engine.run });
    await collect(client);
    await collect(client);
    expect(engine.actions.map(({ action }) => action?.$case)).toEqual(['start', 'start']);
  });

  it.each([
    ['ends', (stream: RunStream) => void stream.end()],
    ['is cut as proxies cut it', (stream: RunStream) => void stream.emit('error', { code: 13, details: 'RST_STREAM' })],
    ['is refused what it carries', (stream: RunStream) => void stream.emit('error', { code: 3, details: 'call_id' })],
  ])('fail together when the stream %s, as if the engine were gone', async (_how, end) => {
    const engine = new NotingEngine();
    const run = engine.runWith((stream, { callId }) => {
      if (callId === 2) end(stream);
    });
    const { client } = await attach({ run });
    const outcomes = await Promise.allSettled([collect(client), collect(client)]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { reason: 'ENGINE_UNREACHABLE', retryable: true } });
    }
  });

  it('fail when the engine sends more than was granted, and only they', async () => {
    const engine = new NotingEngine();
    const run = engine.runWith((stream, { callId, action }) => {
      if (action?.$case !== 'start') return;
      const count = callId === 1 ? 2 * WINDOW : 1;
      for (let sent = 0; sent < count; sent += 1) stream.write(news(callId, { generateResponse: bytesOf(chunk([7])) }));
      if (callId > 1) stream.write(news(callId, { generateResponse: bytesOf(complete([7])), end: ENDED_WELL }));
    });
    const { client } = await attach({ run });
    const events = client.generate(call({ sampling: { maxTokens: 10_000 } }))[Symbol.asyncIterator]();
    await events.next();
    await until(() => engine.actions.some(({ callId, action }) => callId === 1 && action?.$case === 'cancel'));
    const rest = async (): Promise<void> => {
      while ((await events.next()).done !== true);
    };
    await expect(rest()).rejects.toMatchObject({ reason: 'ENGINE_PROTOCOL_VIOLATED' });
    expect(await collect(client)).toHaveLength(2);
  });

  it('end in the engine when the client is closed', async () => {
    const engine = new NotingEngine();
    let isCancelled = false;
    const run = engine.runWith((stream) => void stream.on('cancelled', () => (isCancelled = true)));
    const { client } = await attach({ run });
    const outcome = collect(client).catch((error: unknown) => error);
    await until(() => engine.asked.length === 1);
    client.close();
    expect(await outcome).toMatchObject({ reason: 'ENGINE_UNREACHABLE' });
    await until(() => isCancelled);
  });

  it('are as many as one likes', async () => {
    const { client } = await attach({ run: overGenerate(new NotingEngine().generate) });
    const answers = await Promise.all(Array.from({ length: 500 }, () => collect(client)));
    expect(answers.every((events) => events.length === 2)).toBe(true);
  });
});
