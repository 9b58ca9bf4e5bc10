import { ManualClock } from '@holdfast/platform';
import { type PinTerms, instant, millis, seconds } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import type { GenerateCall, GenerateEvent, WatchEvent } from '../engine-client.js';
import { type FakeEngine, createFakeEngine } from './create-fake-engine.js';
import type { FakeEngineOptions } from './fake-engine-options.js';

const start = (options: Partial<FakeEngineOptions> = {}): { engine: FakeEngine; clock: ManualClock } => {
  const clock = new ManualClock();
  return { engine: createFakeEngine({ engineId: 'fake', clock, ...options }), clock };
};

const hardPin = (value: number | null, ttl = seconds(60)): PinTerms => ({ ttl, soft: false, value });

const call = (programId: string, promptIds: Uint32Array, fields: Partial<GenerateCall> = {}): GenerateCall => ({
  requestId: programId,
  promptIds,
  sampling: { maxTokens: 4, ignoreEos: true },
  hints: { programId, turn: 0, programArrivedAt: instant(0), rank: 0, bid: 0, isLast: false },
  signal: new AbortController().signal,
  ...fields,
});

/** `blocks` blocks of 16 tokens that begin unlike those of any other `salt`. */
const prompt = (salt: number, blocks: number): Uint32Array =>
  Uint32Array.from({ length: blocks * 16 }, (_, i) => (salt * 17 + i) % 250);

const collect = async (engine: FakeEngine, given: GenerateCall): Promise<GenerateEvent[]> => {
  const events: GenerateEvent[] = [];
  for await (const event of engine.client.generate(given)) events.push(event);
  return events;
};

const cachedTokens = async (engine: FakeEngine, given: GenerateCall): Promise<number> => {
  const last = (await collect(engine, given)).at(-1);
  return last?.type === 'complete' ? last.cachedTokens : -1;
};

/** Lets whoever was woken run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the answers of the fake engine', () => {
  it('are a formula of prompt and seed, equal in every instance', async () => {
    const outputOf = async (seed: number): Promise<unknown> =>
      (await collect(start().engine, call('p', prompt(1, 2), { sampling: { maxTokens: 30, seed } }))).at(-1);
    expect(await outputOf(1)).toEqual(await outputOf(1));
    expect(await outputOf(1)).not.toEqual(await outputOf(2));
  });

  it('can be given', async () => {
    const { engine } = start({ answer: ({ hints }) => (hints.programId === 'scripted' ? [104, 105] : undefined) });
    expect((await collect(engine, call('scripted', prompt(1, 1)))).at(-1)).toMatchObject({
      outputIds: [104, 105],
      finishReason: 'stop',
    });
  });

  it('take the time that prefill and decode are set to', async () => {
    const { engine, clock } = start({ prefillPerToken: millis(1), decodePerToken: millis(10) });
    const events = engine.client.generate(call('p', prompt(1, 2)))[Symbol.asyncIterator]();
    const arrivals: number[] = [];
    const reading = (async () => {
      for (let next = await events.next(); next.done !== true; next = await events.next()) arrivals.push(clock.now());
    })();
    for (let i = 0; i < 100; i++) {
      await settle();
      clock.advance(millis(1));
    }
    await reading;
    expect(arrivals.map((at) => at / 1_000)).toEqual([32, 42, 52, 62, 62]);
  });

  it('wait for a place in the batch', async () => {
    const { engine } = start({ maxRunningRequests: 1 });
    const first = engine.client.generate(call('a', prompt(1, 1)))[Symbol.asyncIterator]();
    await first.next();
    const second = collect(engine, call('b', prompt(2, 1)));
    await settle();
    expect((await engine.client.load()).load).toMatchObject({ runningRequests: 1, waitingRequests: 1 });
    await first.return?.();
    expect((await second).at(-1)?.type).toBe('complete');
    expect((await engine.client.load()).load).toMatchObject({ runningRequests: 0, waitingRequests: 0 });
  });
});

describe('the memory of the fake engine', () => {
  it('evicts what was used longest ago, but not what is pinned', async () => {
    const { engine } = start({ totalBlocks: 10 });
    await collect(engine, call('pinned', prompt(1, 4)));
    await engine.client.pin('pinned', '', hardPin(1));
    await collect(engine, call('unpinned', prompt(2, 4)));
    await collect(engine, call('other', prompt(3, 5)));
    expect(await cachedTokens(engine, call('reader', prompt(1, 4)))).toBe(48);
    expect(await cachedTokens(engine, call('reader', prompt(2, 4)))).toBeLessThan(48);
  });

  it('evicts softly pinned blocks after all unpinned ones', async () => {
    const { engine } = start({ totalBlocks: 10 });
    await collect(engine, call('soft', prompt(1, 4)));
    await engine.client.pin('soft', '', { ...hardPin(1), soft: true });
    await collect(engine, call('unpinned', prompt(2, 4)));
    await collect(engine, call('other', prompt(3, 5)));
    expect(await cachedTokens(engine, call('reader', prompt(1, 4)))).toBe(48);
  });

  it('revokes the pin of lowest value when a running request needs the room', async () => {
    const { engine } = start({ totalBlocks: 10 });
    const events: WatchEvent[] = [];
    const controller = new AbortController();
    const watching = (async () => {
      for await (const event of engine.client.watch({ intervalMs: 1_000, signal: controller.signal }))
        events.push(event);
    })();
    for (const [name, value] of [
      ['dear', null],
      ['cheap', 1],
      ['dearer', 5],
    ] as const) {
      await collect(engine, call(name, prompt(name.length, 3)));
      await engine.client.pin(name, '', hardPin(value));
    }
    await collect(engine, call('growing', prompt(99, 3)));
    controller.abort();
    await watching;
    const revoked = events.filter((event) => event.type === 'pin' && event.change === 'revoked');
    expect(revoked).toMatchObject([{ pin: { programId: 'cheap' }, reason: 'growth' }]);
    expect((await engine.client.listPins()).pins.map((pin) => pin.programId)).toEqual(['dear', 'dearer']);
  });

  it('refuses hard pins beyond the cap', async () => {
    const { engine } = start({ totalBlocks: 10, maxPinnedFraction: 0.5 });
    for (const salt of [1, 2]) await collect(engine, call(`p${salt}`, prompt(salt, 3)));
    await engine.client.pin('p1', '', hardPin(null));
    await expect(engine.client.pin('p2', '', hardPin(null))).rejects.toThrow(
      /6 blocks would be pinned; at most 5 may be/,
    );
    await expect(engine.client.pin('p2', '', { ...hardPin(null), soft: true })).resolves.toMatchObject({
      pinnedBlocks: 3,
    });
  });

  it('lets a pin expire exactly at its time on the given clock', async () => {
    const { engine, clock } = start();
    await collect(engine, call('p', prompt(1, 2)));
    await engine.client.pin('p', '', hardPin(1, millis(50)));
    clock.advance(millis(49));
    expect((await engine.client.listPins()).pins).toMatchObject([{ programId: 'p', expiresInMs: 1 }]);
    clock.advance(millis(1));
    expect((await engine.client.listPins()).pins).toEqual([]);
  });
});

describe('the faults of the fake engine', () => {
  const failing = async (engine: FakeEngine): Promise<{ tokens: number; error: unknown }> => {
    let tokens = 0;
    try {
      for await (const event of engine.client.generate(call('p', prompt(1, 1))))
        tokens += event.type === 'tokens' ? 1 : 0;
      return { tokens, error: undefined };
    } catch (error) {
      return { tokens, error };
    }
  };

  it.each([
    ['garbage', 'ENGINE_PROTOCOL_VIOLATED', false],
    ['cut', 'ENGINE_UNREACHABLE', true],
  ] as const)('%s after two tokens is %s', async (type, reason, retryable) => {
    const { engine } = start();
    engine.inject({ type, afterTokens: 2 });
    expect(await failing(engine)).toMatchObject({ tokens: 2, error: { reason, retryable } });
    expect((await engine.client.load()).load.runningRequests).toBe(0);
    engine.heal();
    expect(await failing(engine)).toEqual({ tokens: 4, error: undefined });
  });

  it('a hang ends with ENGINE_DEADLINE, not before the idle deadline', async () => {
    const { engine, clock } = start({ streamIdle: seconds(60) });
    engine.inject({ type: 'hang', afterTokens: 1 });
    let isOver = false;
    const outcome = failing(engine).finally(() => (isOver = true));
    await settle();
    clock.advance(seconds(59));
    await settle();
    expect(isOver).toBe(false);
    clock.advance(seconds(1));
    expect(await outcome).toMatchObject({ tokens: 1, error: { reason: 'ENGINE_DEADLINE' } });
  });

  it('a restart ends watches with ENGINE_RESTARTED and fails requests, waiting ones too', async () => {
    const { engine } = start({ maxRunningRequests: 1 });
    const running = engine.client.generate(call('a', prompt(1, 1)))[Symbol.asyncIterator]();
    await running.next();
    const waiting = failing(engine);
    const watch = engine.client.watch({ intervalMs: 10, signal: new AbortController().signal })[Symbol.asyncIterator]();
    await watch.next();
    const { epoch } = await engine.client.load();
    engine.restart();
    await expect(running.next()).rejects.toMatchObject({ reason: 'ENGINE_UNREACHABLE' });
    expect((await waiting).error).toMatchObject({ reason: 'ENGINE_UNREACHABLE' });
    await expect(watch.next()).rejects.toMatchObject({ reason: 'ENGINE_RESTARTED' });
    expect((await engine.client.load()).epoch).not.toBe(epoch);
  });

  it('a prompt beyond the context is PROMPT_TOO_LONG', async () => {
    const { engine } = start({ maxContextTokens: 20 });
    await expect(collect(engine, call('p', prompt(1, 2)))).rejects.toThrow(/36 tokens; allowed are 20/);
  });
});
