import { describe, expect, it } from '@jest/globals';
import { micros, type PinTerms } from '@holdfast/scheduling';
import fc from 'fast-check';
import type { ModelPinEvent } from './model-event.js';
import { Harness, smallEngine } from './spec-support/harness.js';
import type { StepOutcome } from './step-outcome.js';

const BLOCK = smallEngine.blockTokens;
const BLOCKS = 12;
const CAP = 0.75;

const terms: fc.Arbitrary<PinTerms> = fc.record({
  ttl: fc.integer({ min: 1, max: 900 }).map((length) => micros(length)),
  soft: fc.boolean(),
  value: fc.option(fc.nat(4), { nil: null }),
});

const submission = fc.record({
  type: fc.constant('submit' as const),
  program: fc.nat(4),
  /** Token values are few, so that programs share prefixes. */
  family: fc.nat(2),
  promptTokens: fc.integer({ min: 1, max: 40 }),
  outputTokens: fc.integer({ min: 1, max: 12 }),
  rank: fc.nat(3),
  bid: fc.nat(5),
  pin: fc.option(terms, { nil: undefined }),
  isLast: fc.boolean(),
});

const operation = fc.oneof(
  { weight: 4, arbitrary: submission },
  { weight: 8, arbitrary: fc.constant({ type: 'step' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('abort' as const), index: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('pin' as const), program: fc.nat(4), terms }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('renew' as const), program: fc.nat(4), terms }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('release' as const), program: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), length: fc.nat(600) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

/** A step with the other operation in its middle, so that requests are aborted and pins set while it is under way. */
const stepAround = (harness: Harness, inner: () => void): StepOutcome | null => {
  const started = harness.model.startStep(harness.now);
  inner();
  if (started === null) return null;
  if (harness.now < started.endsAt) harness.now = started.endsAt;
  const outcome = harness.model.finishStep();
  harness.finished.push(...outcome.finished);
  return outcome;
};

const submit = (harness: Harness, index: number, spec: Extract<Operation, { type: 'submit' }>): void => {
  harness.submit({
    family: spec.family,
    requestId: `r${index}`,
    programId: `p${spec.program}`,
    promptTokens: spec.promptTokens,
    outputTokens: spec.outputTokens,
    rank: spec.rank,
    bid: spec.bid,
    isLast: spec.isLast,
    ...(spec.pin === undefined ? {} : { pin: spec.pin }),
  });
};

const apply = (harness: Harness, index: number, next: Operation): void => {
  switch (next.type) {
    case 'submit':
      return submit(harness, index, next);
    case 'abort':
      return void harness.model.abort(`r${next.index}`, harness.now);
    case 'pin':
      return void harness.model.pin(`p${next.program}`, next.terms, harness.now);
    case 'renew':
      return void harness.model.renew(`p${next.program}`, next.terms, harness.now);
    case 'release':
      return void harness.model.release(`p${next.program}`, harness.now);
    case 'wait':
      return harness.wait(next.length);
    case 'step':
      return void stepAround(harness, () => undefined);
  }
};

const expectSound = (harness: Harness): void => {
  const stats = harness.stats();
  const parts = [stats.freeBlocks, stats.evictableBlocks, stats.pinnedBlocks, stats.activeBlocks];
  for (const part of parts) expect(part).toBeGreaterThanOrEqual(0);
  expect(parts.reduce((sum, part) => sum + part, 0)).toBe(BLOCKS);
  expect(stats.pinnedBlocks).toBeLessThanOrEqual(Math.floor(BLOCKS * CAP));
  const pins = harness.model.pins(harness.now);
  expect(new Set(pins.map(({ programId }) => programId)).size).toBe(pins.length);
  expect(stats.pins).toBe(pins.length);
  for (const pin of pins) {
    expect(pin.expiresAt).toBeGreaterThan(harness.now);
    expect(pin.blocks).toBeGreaterThan(0);
    expect(pin.tokens).toBe(pin.blocks * BLOCK);
  }
  const expiries = pins.map(({ expiresAt }) => expiresAt);
  expect(harness.model.nextExpiry()).toBe(expiries.length === 0 ? null : Math.min(...expiries));
};

const replay = (operations: readonly Operation[], check: (harness: Harness) => void): Harness => {
  const harness = new Harness({ totalBlocks: BLOCKS, maxPinnedFraction: CAP, maxRunningRequests: 4, tokenBudget: 24 });
  for (let index = 0; index < operations.length; index += 1) {
    const next = operations[index]!;
    const inside = operations[index + 1];
    if (next.type === 'step' && inside !== undefined && inside.type !== 'step' && index % 3 === 0) {
      stepAround(harness, () => apply(harness, index + 1, inside));
      index += 1;
    } else apply(harness, index, next);
    check(harness);
  }
  harness.run();
  check(harness);
  // Time may have passed without a call: pins end when the model is asked next.
  harness.model.expire(harness.now);
  harness.events.push(...harness.model.drainEvents());
  return harness;
};

const sequences = fc.array(operation, { minLength: 1, maxLength: 80, size: 'max' });

describe('engine model', () => {
  it('conserves blocks and keeps pins within cap and time, whatever happens (I4, I10)', () => {
    fc.assert(
      fc.property(sequences, (operations) => {
        replay(operations, expectSound);
      }),
      { numRuns: 100 },
    );
  });

  it('finishes every request that fits and was not aborted, once, with all its tokens', () => {
    fc.assert(
      fc.property(
        fc.array(submission, { minLength: 1, maxLength: 25, size: 'max' }),
        fc.array(fc.nat(3)),
        (requests, pauses) => {
          const harness = new Harness({ totalBlocks: BLOCKS, maxRunningRequests: 4, tokenBudget: 24 });
          requests.forEach((request, index) => {
            submit(harness, index, request);
            for (let pause = pauses[index] ?? 0; pause > 0; pause -= 1) harness.step();
          });
          harness.run();
          const finished = new Map(harness.finished.map((request) => [request.requestId, request]));
          expect(harness.finished).toHaveLength(requests.length);
          requests.forEach(({ promptTokens, outputTokens }, index) => {
            const fits = promptTokens + outputTokens - 1 <= BLOCKS * BLOCK;
            expect(finished.get(`r${index}`)).toMatchObject({
              promptTokens,
              outputTokens: fits ? outputTokens : 0,
              finishReason: fits ? 'stop' : 'error',
            });
          });
          const served = harness.finished.filter(({ finishReason }) => finishReason === 'stop');
          const total = (field: 'promptTokens' | 'cachedTokens' | 'outputTokens'): number =>
            served.reduce((sum, request) => sum + request[field], 0);
          expect(harness.stats()).toMatchObject({
            promptTokens: total('promptTokens'),
            cachedTokens: total('cachedTokens'),
            outputTokens: total('outputTokens'),
            activeBlocks: 0,
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('does the same again for the same calls', () => {
    fc.assert(
      fc.property(sequences, (operations) => {
        const first = replay(operations, () => undefined);
        const second = replay(operations, () => undefined);
        expect(second.finished).toEqual(first.finished);
        expect(second.events).toEqual(first.events);
        expect(second.stats()).toEqual(first.stats());
      }),
    );
  });

  it('never overwrites a block before the blocks that follow it: what is resident of a prompt is a prefix', () => {
    fc.assert(
      fc.property(sequences, (operations) => {
        const parents = new Map<number, number | null>();
        replay(operations, ({ model }) => {
          for (const event of model.drainEvents()) {
            if (event.type === 'stored') {
              event.blockHashes.forEach((hash, index) =>
                parents.set(hash, index === 0 ? event.parentHash : event.blockHashes[index - 1]!),
              );
            } else if (event.type === 'removed') for (const hash of event.blockHashes) parents.delete(hash);
          }
          for (const parent of parents.values()) expect(parent === null || parents.has(parent)).toBe(true);
        });
      }),
      { numRuns: 100 },
    );
  });

  it('reports the life of every pin: it is set, perhaps renewed, and ends once', () => {
    fc.assert(
      fc.property(sequences, (operations) => {
        const { events, model, now } = replay(operations, () => undefined);
        const live = new Set<string>();
        for (const { change, pin, reason } of events.filter((event): event is ModelPinEvent => event.type === 'pin')) {
          if (change !== 'set') expect(live.has(pin.programId)).toBe(true);
          if (change === 'set') live.add(pin.programId);
          else if (change !== 'renewed') live.delete(pin.programId);
          expect(reason !== undefined).toBe(change === 'revoked');
        }
        expect([...live].sort()).toEqual(
          model
            .pins(now)
            .map(({ programId }) => programId)
            .sort(),
        );
      }),
    );
  });
});

describe('under pressure', () => {
  /** Programs with tokens of their own, so that a pin never covers a block that another request uses. */
  const crowd = fc.array(
    fc.record({
      promptTokens: fc.integer({ min: 1, max: 16 }),
      outputTokens: fc.integer({ min: 1, max: 16 }),
      rank: fc.nat(3),
      bid: fc.nat(3),
      pin: fc.option(terms, { nil: undefined }),
      stepsBefore: fc.nat(6),
    }),
    { minLength: 4, maxLength: 30, size: 'max' },
  );

  it('no running request is preempted while a pin could give way', () => {
    let preemptions = 0;
    fc.assert(
      fc.property(crowd, (requests) => {
        const harness = new Harness({ totalBlocks: BLOCKS, maxRunningRequests: 4 });
        const check = (): void => {
          const started = harness.model.startStep(harness.now);
          const { pinnedBlocks } = harness.stats();
          if (started === null) return;
          harness.now = started.endsAt;
          const outcome = harness.model.finishStep();
          preemptions += outcome.preempted.length;
          if (outcome.preempted.length > 0) expect(pinnedBlocks).toBe(0);
        };
        requests.forEach(({ stepsBefore, pin, ...request }, family) => {
          for (let step = 0; step < stepsBefore; step += 1) check();
          harness.submit({ family, ...request, ...(pin === undefined ? {} : { pin }) });
        });
        while (harness.model.hasWork()) check();
      }),
      { numRuns: 100 },
    );
    expect(preemptions).toBeGreaterThan(0);
  });

  it('no request waits while there is room for any request and a place in the batch', () => {
    fc.assert(
      fc.property(crowd, (requests) => {
        const harness = new Harness({ totalBlocks: BLOCKS, maxRunningRequests: 4, tokenBudget: 1_000 });
        requests.forEach(({ stepsBefore, pin, ...request }, family) => {
          for (let step = 0; step < stepsBefore; step += 1) {
            const started = harness.model.startStep(harness.now);
            const stats = harness.stats();
            if (started === null) {
              expect(stats.waitingRequests).toBe(0);
              continue;
            }
            harness.now = started.endsAt;
            const { preempted } = harness.model.finishStep();
            // The largest request of the crowd needs 8 blocks.
            const hasRoom = stats.freeBlocks + stats.evictableBlocks >= 8 && stats.runningRequests < 4;
            if (hasRoom && preempted.length === 0) expect(stats.waitingRequests).toBe(0);
          }
          harness.submit({ family, ...request, ...(pin === undefined ? {} : { pin }) });
        });
      }),
      { numRuns: 100 },
    );
  });

  it('takes no hard pin for a waiting request unless the bid exceeds its value', () => {
    fc.assert(
      fc.property(crowd, (requests) => {
        const harness = new Harness({ totalBlocks: BLOCKS, maxRunningRequests: 4 });
        requests.forEach(({ stepsBefore, pin, ...request }, family) => {
          for (let step = 0; step < stepsBefore; step += 1) harness.step();
          harness.submit({ family, ...request, ...(pin === undefined ? {} : { pin }) });
        });
        harness.run();
        const highestBid = Math.max(...requests.map(({ bid }) => bid));
        for (const event of harness.events) {
          if (event.type !== 'pin' || event.reason !== 'outbid' || event.pin.soft) continue;
          expect(event.pin.value ?? Infinity).toBeLessThan(highestBid);
        }
      }),
    );
  });
});
