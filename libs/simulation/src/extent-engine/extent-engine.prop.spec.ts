import { describe, expect, it } from '@jest/globals';
import { after, instant, micros, millis, seconds, type Instant } from '@holdfast/scheduling';
import fc from 'fast-check';
import type { EngineModelOptions } from '../engine/engine-options.js';
import { BlockEngine } from './block-engine.js';
import { ExtentEngine } from './extent-engine.js';
import type { SimulatedEngine } from './simulated-engine.js';

const options: EngineModelOptions = {
  totalBlocks: 40,
  blockTokens: 4,
  maxRunningRequests: 5,
  tokenBudget: 24,
  maxPinnedFraction: 0.8,
  epoch: 'e',
  stepTime: {
    baseMicros: 1_000.123_456,
    perPrefillTokenMicros: 100.000_7,
    perDecodeSequenceMicros: 50.3,
    perContextTokenMicros: 1.7,
    perPrefillPairMicros: 0.123,
  },
};

const operation = fc.record({
  what: fc.constantFrom('turn', 'turn', 'turn', 'turn', 'abort', 'pin', 'renew', 'release', 'rerank'),
  program: fc.nat(5),
  waitMicros: fc.oneof(fc.constant(0), fc.nat(3_000), fc.nat(60_000)),
  size: fc.nat(1_000),
  ttlMillis: fc.integer({ min: 1, max: 80 }),
  value: fc.nat(4),
  flag: fc.boolean(),
});

// Without a size, arrays stay near ten items, whatever their limit: too few to fill the pool.
const histories = fc.array(operation, { maxLength: 80, size: 'max' });

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Drives an engine through a history and writes down everything that can be seen of it. */
class Driver {
  readonly seen: string[] = [];
  readonly #context = new Map<number, number>();
  readonly #live = new Map<number, string>();
  /** Turns after which their program is another one. */
  readonly #last = new Set<string>();
  #now: Instant = instant(0);
  #turns = 0;

  constructor(private readonly engine: SimulatedEngine) {}

  run(history: readonly Operation[]): string[] {
    for (const step of history) {
      this.#advance(after(this.#now, micros(step.waitMicros)));
      this.#apply(step);
      this.#note();
    }
    this.#advance(after(this.#now, seconds(1_000)));
    this.seen.push(JSON.stringify([this.engine.load(), this.engine.totals()]));
    return this.seen;
  }

  /** Steps end and pins expire in order of time; then the engine goes on. */
  #advance(until: Instant): void {
    // What happens at one instant is all known before the engine goes on.
    if (until > this.#now) this.#resume();
    for (;;) {
      const boundary = this.engine.boundaryAt;
      const expiry = this.engine.nextExpiry();
      const next = Math.min(boundary ?? Infinity, expiry ?? Infinity);
      if (next > until) break;
      this.#now = instant(next);
      if (boundary === next) this.#settle();
      this.engine.expire(this.#now);
      this.#note();
      // At `until` something else happens, of which the next step knows.
      if (this.engine.boundaryAt === null && this.#now < until) this.#resume();
    }
    this.#now = until;
  }

  #resume(): void {
    this.engine.resume(this.#now);
    this.#note();
  }

  #settle(): void {
    const { at, started, finished } = this.engine.settle();
    if (started.length + finished.length > 0) this.seen.push(JSON.stringify({ at, started, finished }));
    for (const [program, turnId] of this.#live) {
      const done = finished.find((turn) => turn.turnId === turnId);
      if (done === undefined) continue;
      this.#live.delete(program);
      if (this.#last.has(turnId)) this.#context.delete(program);
      else this.#context.set(program, done.promptTokens + done.outputTokens);
    }
  }

  #note(): void {
    for (const event of this.engine.drainPinEvents()) this.seen.push(`${this.#now} ${JSON.stringify(event)}`);
  }

  // One case an operation.
  // eslint-disable-next-line complexity
  #apply({ what, program, size, ttlMillis, value, flag }: Operation): void {
    const programId = `p${program}`;
    const terms = { ttl: millis(ttlMillis), soft: size % 4 === 0, value: value === 4 ? null : value };
    const turnId = this.#live.get(program);
    switch (what) {
      case 'turn':
        if (turnId === undefined) this.#submit(program, size, flag ? { pin: terms, bid: value } : { bid: value });
        return;
      case 'abort':
        if (turnId === undefined) return;
        this.seen.push(String(this.engine.abort(turnId, this.#now)));
        this.#live.delete(program);
        this.#context.delete(program);
        return;
      case 'rerank':
        if (turnId !== undefined) this.engine.rerank(turnId, size % 10, this.#now);
        return;
      case 'pin':
        // Between turns only, as the kernel does. After an abort the extent engine does not know the older branch.
        if (turnId === undefined && this.#context.has(program))
          this.seen.push(JSON.stringify(this.engine.pin(programId, terms, this.#now)));
        return;
      case 'renew':
        this.seen.push(JSON.stringify(this.engine.renew(programId, terms, this.#now)));
        return;
      case 'release':
        this.seen.push(JSON.stringify(this.engine.release(programId, this.#now)));
    }
  }

  #submit(program: number, size: number, hints: { pin?: Parameters<SimulatedEngine['pin']>[1]; bid: number }): void {
    const context = this.#context.get(program) ?? 0;
    const isCompaction = size % 7 === 0;
    const sharedTokens = isCompaction ? Math.floor(context / 2) : context;
    this.#turns += 1;
    const turnId = `t${this.#turns}`;
    this.#live.set(program, turnId);
    const isLast = size % 9 === 0;
    if (isLast) this.#last.add(turnId);
    this.engine.submit(
      {
        turnId,
        programId: `p${program}`,
        promptTokens: sharedTokens + 1 + (size % 31),
        sharedTokens,
        outputTokens: 1 + (size % 13),
        rank: size % 5,
        ...hints,
        isLast,
      },
      this.#now,
    );
  }
}

describe('the extent engine', () => {
  const showsTheSame = (history: readonly Operation[], own: EngineModelOptions): void =>
    expect(new Driver(new ExtentEngine(own)).run(history)).toEqual(new Driver(new BlockEngine(own)).run(history));

  it('shows, event by event, what the block-level model shows', () => {
    fc.assert(
      fc.property(histories, (history) => showsTheSame(history, options)),
      { numRuns: 1_000 },
    );
  });

  it('and so it does with host memory, of any size', () => {
    const host = fc.record({ blocks: fc.nat(60), reloadMicrosPerToken: fc.constantFrom(0, 2.6, 400) });
    fc.assert(
      fc.property(histories, host, (history, tier) => showsTheSame(history, { ...options, host: tier })),
      { numRuns: 1_000 },
    );
  });
});
