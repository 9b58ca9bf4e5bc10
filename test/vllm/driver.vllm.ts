import type { EngineClient, GenerateEvent, WatchEvent } from '@holdfast/engines';
import { loadTextCodec } from '@holdfast/engines';
import { type EngineHints, instant, millis, type PinTerms } from '@holdfast/scheduling';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { attachedClient, releaseAll } from './support/engine-harness.js';
import { settled } from './support/settled.js';
import { VllmProcess } from './support/vllm-process.js';

/** Blocks of 32 that requests can get: one of the 64 is vLLM's own. */
const POOL = 63;
const hardPin = (ttlMs: number): PinTerms => ({ ttl: millis(ttlMs), soft: false, value: null });

let engine: VllmProcess;
let client: EngineClient;
let nextId = 1;

beforeAll(async () => {
  engine = await VllmProcess.start({ args: ['--blocks', '64', '--max-model-len', '1536'] });
  client = await attachedClient(engine);
});
beforeEach(() => releaseAll(client));
afterAll(async () => {
  client?.close();
  await engine?.stop();
});

/** Token ids that no other prompt shares a block with. */
const freshPrompt = (tokens: number): Uint32Array => {
  const salt = nextId++;
  return Uint32Array.from({ length: tokens }, (_, index) => 1_000 + ((salt * 7_919 + index * 104_729) % 39_000));
};

interface TurnOptions {
  readonly programId?: string;
  readonly pin?: PinTerms;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly signal?: AbortSignal;
}

const generate = (promptIds: Uint32Array, options: TurnOptions = {}): AsyncIterable<GenerateEvent> => {
  const { programId = `program-${nextId++}`, pin, maxTokens = 2, stop, signal } = options;
  const hints: EngineHints = {
    programId,
    turn: 0,
    programArrivedAt: instant(1_000_000),
    rank: 0,
    bid: 0,
    ...(pin === undefined ? {} : { pin }),
    isLast: false,
  };
  return client.generate({
    requestId: `request-${nextId++}`,
    promptIds,
    sampling: { maxTokens, temperature: 0, ignoreEos: true, ...(stop === undefined ? {} : { stop }) },
    hints,
    signal: signal ?? new AbortController().signal,
  });
};

const complete = async (
  promptIds: Uint32Array,
  options: TurnOptions = {},
): Promise<Extract<GenerateEvent, { type: 'complete' }>> => {
  for await (const event of generate(promptIds, options)) if (event.type === 'complete') return event;
  throw new Error('the answer has no end');
};

const watching = async <Result>(work: (events: readonly WatchEvent[]) => Promise<Result>): Promise<Result> => {
  const controller = new AbortController();
  const events: WatchEvent[] = [];
  const collecting = (async (): Promise<void> => {
    for await (const event of client.watch({ intervalMs: 100, signal: controller.signal })) events.push(event);
  })();
  try {
    await settled(() => events.length > 0);
    return await work(events);
  } finally {
    controller.abort();
    await collecting;
  }
};

const changesOf = (events: readonly WatchEvent[]): string[] =>
  events.flatMap((event) =>
    event.type === 'pin' ? [[event.change, event.pin.programId, event.reason ?? ''].join(' ').trim()] : [],
  );

describe('pins under pressure', () => {
  it('keep a context that foreign prompts would have pushed out', async () => {
    const [kept, lost] = [freshPrompt(640), freshPrompt(640)];
    await complete(kept, { programId: 'kept', pin: hardPin(60_000) });
    await complete(lost, { programId: 'lost' });
    for (let foreign = 0; foreign < 3; foreign += 1) await complete(freshPrompt(1_000));
    expect((await complete(kept, { programId: 'kept' })).cachedTokens).toBe(19 * 32);
    expect((await complete(lost, { programId: 'lost' })).cachedTokens).toBe(0);
  });

  it('give way, six of them, to a prompt that needs their room, and the engine tells why', async () => {
    await watching(async (events) => {
      for (let program = 1; program <= 6; program += 1) {
        const { pin } = await complete(freshPrompt(300), { programId: `p${program}`, pin: hardPin(60_000) });
        expect(pin?.pinnedTokens).toBe(288);
      }
      expect((await client.load()).load.pinnedBlocks).toBe(54);
      expect((await complete(freshPrompt(1_500))).finishReason).toBe('length');
      await settled(() => changesOf(events).filter((change) => change.startsWith('revoked')).length >= 4);
      expect(changesOf(events)).toContain('revoked p6 stall');
      expect((await client.listPins()).pins.length).toBeLessThanOrEqual(2);
    });
  });

  it('expire by themselves, and their blocks are anyone’s then', async () => {
    await watching(async (events) => {
      await complete(freshPrompt(640), { programId: 'brief', pin: hardPin(1_500) });
      expect((await client.load()).load.pinnedBlocks).toBe(20);
      await settled(() => changesOf(events).includes('expired brief'));
      const { load } = await client.load();
      expect(load.pinnedBlocks).toBe(0);
      expect(load.freeBlocks + load.evictableBlocks).toBe(POOL);
    });
  });
});

describe('a turn that is cancelled in mid-stream', () => {
  it('frees its blocks and pins nothing', async () => {
    const controller = new AbortController();
    const options = { programId: 'cancelled', pin: hardPin(60_000), maxTokens: 800, signal: controller.signal };
    const events = generate(freshPrompt(330), options)[Symbol.asyncIterator]();
    await events.next();
    expect((await client.load()).load.activeBlocks).toBeGreaterThanOrEqual(11);
    controller.abort();
    await expect(events.next()).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
    await settled(async () => (await client.load()).load.activeBlocks === 0);
    expect((await client.listPins()).pins).toEqual([]);
  });
});

describe('a turn that ends with a stop string', () => {
  it('finishes as stopped, and its pin is told by the watch, since the answer cannot', async () => {
    const codec = loadTextCodec(await client.tokenizerArchive());
    const prompt = Uint32Array.from(
      codec.encode('The capital of France is Paris. The capital of Italy is Rome. '.repeat(20)),
    );
    const plain = codec.decode((await complete(prompt, { maxTokens: 24 })).outputIds);
    const stop = plain.slice(Math.floor(plain.length / 2), Math.floor(plain.length / 2) + 6);
    await watching(async (events) => {
      const answer = await complete(prompt, { programId: 'stops', pin: hardPin(60_000), maxTokens: 24, stop: [stop] });
      expect(answer.finishReason).toBe('stop');
      expect(answer.pin).toBeUndefined();
      await settled(() => changesOf(events).includes('set stops'));
      const [pin] = (await client.listPins()).pins;
      expect(pin?.pinnedBlocks).toBeGreaterThanOrEqual(Math.floor(prompt.length / 32));
    });
  });
});
