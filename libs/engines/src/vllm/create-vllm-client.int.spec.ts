import { createHash } from 'node:crypto';
import { type ServerWritableStream, status } from '@grpc/grpc-js';
import { kv, vllm } from '@holdfast/contracts';
import { afterEach, describe, expect, it } from '@jest/globals';
import { seconds } from '@holdfast/scheduling';
import type { EngineClient, WatchEvent } from '../engine-client.js';
import { closeAll, connect, start } from './fixtures/scripted-client.js';
import { type GenerateStream, answer, call, chunk, complete } from './fixtures/scripted-engine.js';

afterEach(closeAll);

const terms = { ttl: seconds(3), soft: false, value: null };
const toyPin = kv.Pin.fromPartial({ programId: 'p1', pinnedBlocks: 2, pinnedTokens: 64, expiresInMs: 3_000 });

describe('what travels with a turn', () => {
  const record = (): {
    requests: vllm.GenerateRequest[];
    metadata: (string | Buffer)[][];
    generate: (stream: GenerateStream) => void;
  } => {
    const requests: vllm.GenerateRequest[] = [];
    const metadata: (string | Buffer)[][] = [];
    const generate = (stream: GenerateStream): void => {
      requests.push(stream.request);
      metadata.push([...stream.metadata.get('traceparent'), ...stream.metadata.get('tracestate')]);
      stream.write(chunk([1]));
      stream.write(complete([1]));
      stream.end();
    };
    return { requests, metadata, generate };
  };

  const drain = async (client: EngineClient, fields = {}): Promise<void> => {
    for await (const event of client.generate(call(fields))) expect(event.type).toMatch(/tokens|complete/);
  };

  it('hints go to an engine with KvControl', async () => {
    const seen = record();
    const client = connect(await start({ generate: seen.generate, kvControl: {} }));
    await client.info();
    await drain(client);
    expect(JSON.parse(seen.requests[0]?.kvTransferParamsJson ?? '')).toMatchObject({
      holdfast: { program: 'p1', turn: 0 },
    });
  });

  it('a stock vLLM gets none: its scheduler would warn about each', async () => {
    const seen = record();
    const client = connect(await start({ generate: seen.generate }));
    await client.info();
    await drain(client);
    expect(seen.requests.map((request) => request.kvTransferParamsJson)).toEqual([undefined]);
  });

  it('the trace context goes into the call metadata', async () => {
    const seen = record();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await drain(connect(await start({ generate: seen.generate })), { traceparent, tracestate: 'a=1' });
    expect(seen.metadata).toEqual([[traceparent, 'a=1']]);
  });

  it('a prompt of 200,000 tokens arrives whole', async () => {
    const promptIds = Uint32Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 150_000);
    const arrived: number[][] = [];
    const engine = await start({
      generate: (stream) => {
        if (stream.request.input?.$case === 'tokenized') arrived.push(stream.request.input.value.inputIds);
        stream.write(chunk([1], { promptTokens: 200_000 }));
        stream.write(complete([1], { promptTokens: 200_000 }));
        stream.end();
      },
    });
    await drain(connect(engine), { promptIds });
    expect(Uint32Array.from(arrived[0] ?? [])).toEqual(promptIds);
  });
});

describe('backpressure', () => {
  it('holds the engine back while nobody pulls, and loses nothing', async () => {
    const total = 40_000;
    let written = 0;
    const engine = await start({
      generate: (stream) => {
        const writeOn = (): void => {
          while (written < total) {
            written += 1;
            if (!stream.write(chunk([written % 100], { completionTokens: 1 })))
              return void stream.once('drain', writeOn);
          }
          stream.write(complete([], { completionTokens: 0 }));
          stream.end();
        };
        writeOn();
      },
    });
    const events = connect(engine)
      .generate(call({ sampling: { maxTokens: total } }))
      [Symbol.asyncIterator]();
    await events.next();
    const stalledAt = await settled(() => written);
    expect(stalledAt).toBeLessThan(total);
    let tokens = 1;
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      if (next.value.type === 'tokens') tokens += next.value.tokenIds.length;
      else expect(next.value.outputIds).toHaveLength(total);
    }
    expect(tokens).toBe(total);
  });
});

/** The value once it has stopped to change. */
const settled = async (read: () => number): Promise<number> => {
  for (let last = -1; ;) {
    const now = read();
    if (now === last) return now;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

describe('leaving a turn', () => {
  const hanging = (): { generate: (stream: GenerateStream) => void; cancelled: Promise<void> } => {
    let resolveCancelled: () => void = () => undefined;
    const cancelled = new Promise<void>((resolve) => (resolveCancelled = resolve));
    const generate = (stream: GenerateStream): void => {
      stream.on('cancelled', () => resolveCancelled());
      stream.write(chunk([1]));
    };
    return { generate, cancelled };
  };

  it('by breaking the loop cancels the call in the engine', async () => {
    const engine = hanging();
    for await (const event of connect(await start(engine)).generate(call())) {
      expect(event.type).toBe('tokens');
      break;
    }
    await engine.cancelled;
  });

  it('by the signal cancels the call in the engine, even while nobody pulls', async () => {
    const engine = hanging();
    const controller = new AbortController();
    const events = connect(await start(engine))
      .generate(call({ signal: controller.signal }))
      [Symbol.asyncIterator]();
    await events.next();
    controller.abort();
    await engine.cancelled;
    await expect(events.next()).rejects.toMatchObject({ reason: 'CALLER_CANCELLED', retryable: false });
  });
});

describe('pins', () => {
  it('sends infinite value as +Infinity and reads the pin', async () => {
    const requests: kv.PinRequest[] = [];
    const engine = await start({
      kvControl: {
        pin: (given, reply) => {
          requests.push(given.request);
          reply(null, { pin: toyPin, epoch: 'e1' });
        },
      },
    });
    const pin = await connect(engine).pin('p1', 'e1', terms);
    expect(pin).toEqual({ programId: 'p1', pinnedBlocks: 2, pinnedTokens: 64, expiresInMs: 3_000 });
    expect(requests).toEqual([
      { programId: 'p1', epoch: 'e1', ttlMs: 3_000, soft: false, value: Number.POSITIVE_INFINITY },
    ]);
  });

  it('an answer without a pin is ENGINE_PROTOCOL_VIOLATED', async () => {
    const engine = await start({ kvControl: { renew: answer({ pin: undefined, epoch: 'e1' }) } });
    await expect(connect(engine).renew('p1', 'e1', terms)).rejects.toMatchObject({
      reason: 'ENGINE_PROTOCOL_VIOLATED',
    });
  });

  it('a stock engine has none: ENGINE_CAPABILITY_MISSING, before and after info', async () => {
    const client = connect(await start({}));
    await expect(client.pin('p1', '', terms)).rejects.toMatchObject({ reason: 'ENGINE_CAPABILITY_MISSING' });
    await client.info();
    await expect(client.listPins()).rejects.toMatchObject({ reason: 'ENGINE_CAPABILITY_MISSING' });
  });

  it.each([
    [status.NOT_FOUND, 'KV_NOT_RESIDENT', 'PIN_NOT_FOUND'],
    [status.RESOURCE_EXHAUSTED, 'PIN_CAP_REACHED', 'PIN_CAP_REACHED'],
    [status.ABORTED, 'EPOCH_STALE', 'EPOCH_STALE'],
    [status.FAILED_PRECONDITION, 'KV_NOT_RESIDENT', 'EPOCH_STALE'],
  ])('without error details, code %i of Pin is %s and of Renew %s', async (code, ofPin, ofRenew) => {
    const fail = (_call: unknown, reply: (error: { code: status; details: string }) => void): void =>
      reply({ code, details: 'no' });
    const client = connect(await start({ kvControl: { pin: fail, renew: fail } as never }));
    await expect(client.pin('p1', 'e1', terms)).rejects.toMatchObject({ reason: ofPin });
    await expect(client.renew('p1', 'e1', terms)).rejects.toMatchObject({ reason: ofRenew });
  });
});

describe('watch', () => {
  type WatchStream = ServerWritableStream<kv.WatchRequest, kv.WatchResponse>;
  const stats = (epoch: string): kv.WatchResponse => ({
    payload: { $case: 'stats', value: kv.KvStats.fromPartial({ epoch, freeBlocks: 9, runningRequests: 1 }) },
  });
  const pinEvent = (
    sequence: bigint,
    change: kv.PinChange,
    reason = kv.RevocationReason.UNSPECIFIED,
  ): kv.WatchResponse => ({
    payload: { $case: 'pinEvent', value: { sequence, change, pin: toyPin, reason } },
  });
  const watching = async (
    messages: kv.WatchResponse[],
    end = true,
  ): Promise<{ events: WatchEvent[]; error: unknown }> => {
    const watch = (stream: WatchStream): void => {
      for (const message of messages) stream.write(message);
      if (end) stream.end();
    };
    const events: WatchEvent[] = [];
    try {
      const client = connect(await start({ kvControl: { watch } }));
      const signal = AbortSignal.timeout(20_000);
      for await (const event of client.watch({ intervalMs: 50, signal })) events.push(event);
      return { events, error: undefined };
    } catch (error) {
      return { events, error };
    }
  };

  it('yields loads and pin events in order, and ends with ENGINE_UNREACHABLE when the engine ends it', async () => {
    const revoked = pinEvent(2n, kv.PinChange.REVOKED, kv.RevocationReason.OUTBID);
    const { events, error } = await watching([stats('e1'), pinEvent(1n, kv.PinChange.SET), stats('e1'), revoked]);
    expect(events.map((event) => (event.type === 'load' ? event.load.freeBlocks : event.change))).toEqual([
      9,
      'set',
      9,
      'revoked',
    ]);
    expect(events[3]).toMatchObject({ epoch: 'e1', reason: 'outbid', pin: { programId: 'p1', pinnedTokens: 64 } });
    expect(error).toMatchObject({ reason: 'ENGINE_UNREACHABLE' });
  });

  it('ends with ENGINE_RESTARTED at another epoch', async () => {
    expect((await watching([stats('e1'), stats('e2')])).error).toMatchObject({
      reason: 'ENGINE_RESTARTED',
      retryable: true,
    });
  });

  it('ends when pin events were lost', async () => {
    const { error } = await watching([stats('e1'), pinEvent(4n, kv.PinChange.SET), pinEvent(6n, kv.PinChange.HIT)]);
    expect(error).toMatchObject({ reason: 'ENGINE_PROTOCOL_VIOLATED', retryable: true });
    expect((error as Error).message).toMatch(/pin event 6 follows 4/);
  });

  it('ends without an error when the signal aborts', async () => {
    const watch = (stream: WatchStream): void => void stream.write(stats('e1'));
    const client = connect(await start({ kvControl: { watch } }));
    const controller = new AbortController();
    for await (const event of client.watch({ intervalMs: 50, signal: controller.signal })) {
      expect(event.type).toBe('load');
      controller.abort();
    }
  });

  it('polls the load of a stock engine', async () => {
    const loads = [{ numRunningReqs: 2, numWaitingReqs: 1, numUsedTokens: 100, maxTotalNumTokens: 8_192 }];
    const client = connect(await start({ loads }));
    const controller = new AbortController();
    const events: WatchEvent[] = [];
    for await (const event of client.watch({ intervalMs: 10, signal: controller.signal })) {
      if (events.push(event) === 2) controller.abort();
    }
    const load = {
      freeBlocks: 252,
      evictableBlocks: 0,
      pinnedBlocks: 0,
      activeBlocks: 4,
      runningRequests: 2,
      waitingRequests: 1,
    };
    expect(events.map((event) => event.type === 'load' && event.load)).toEqual([load, load]);
  });
});

describe('tokenizerArchive', () => {
  const data = [Buffer.from('first'), Buffer.from('second')];
  const sha256 = createHash('sha256').update('firstsecond').digest('hex');
  const chunks = (announced: string): vllm.GetTokenizerChunk[] =>
    data.map((part, i) => ({ data: part, sha256: i === data.length - 1 ? announced : '' }));

  it('joins the chunks', async () => {
    const client = connect(await start({ tokenizerChunks: chunks(sha256) }));
    expect(Buffer.from(await client.tokenizerArchive()).toString()).toBe('firstsecond');
  });

  it.each([
    ['another hash', 'ab'.repeat(32)],
    ['no hash', ''],
  ])('refuses %s', async (_name, announced) => {
    const client = connect(await start({ tokenizerChunks: chunks(announced) }));
    await expect(client.tokenizerArchive()).rejects.toMatchObject({
      reason: 'ENGINE_PROTOCOL_VIOLATED',
      retryable: true,
    });
  });
});

describe('checkHealth', () => {
  it('rejects while the engine says that it does not serve', async () => {
    const client = connect(
      await start({ healthCheck: (reply) => reply(null, { healthy: false, message: 'warming up' }) }),
    );
    await expect(client.checkHealth()).rejects.toThrow(/not serving: warming up/);
  });
});
