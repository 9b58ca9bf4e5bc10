import { describe, expect, it } from '@jest/globals';
import { micros, seconds, type PolicyProfile } from '@holdfast/scheduling';
import fc from 'fast-check';
import { createPool } from '../lab/pool.js';
import { simulate } from '../lab/simulate.js';
import { taughtPolicy } from '../lab/taught-policy.fixture.js';
import type { Arrival } from '../lab/workload.js';
import { engineProfile } from '../profiles/engine-profile.js';

/** A context of this many tokens, whose tool takes so long, and which comes so much after the one before. */
interface Context {
  readonly tokens: number;
  readonly gapSeconds: number;
  readonly afterSeconds: number;
}

const contexts = (count: { min: number; max: number }): fc.Arbitrary<Context[]> =>
  fc.array(
    fc.record({
      tokens: fc.integer({ min: 8_000, max: 60_000 }),
      gapSeconds: fc.constantFrom(0.2, 1, 4, 15, 60),
      afterSeconds: fc.constantFrom(0, 0.5, 3),
    }),
    { minLength: count.min, maxLength: count.max },
  );

const arrivalsOf = (world: readonly Context[]): readonly Arrival[] => {
  let at = 0;
  return world.map(({ tokens, gapSeconds, afterSeconds }, index) => {
    at += afterSeconds;
    const tool = `takes ${gapSeconds} s`;
    const first = { promptTokens: tokens, sharedTokens: 0, outputTokens: 20, tool, gap: seconds(gapSeconds) };
    const second = { promptTokens: tokens + 520, sharedTokens: tokens + 20, outputTokens: 20, gap: micros(0) };
    return {
      at: seconds(at) as number as Arrival['at'],
      program: { programId: `p${index}`, programClass: 'c', turns: [first, second] },
    };
  });
};

/** Seconds that programs spend in all, less those of their tools: computing and waiting. Memory is for about half of them. */
const costSeconds = (world: readonly Context[], profile: PolicyProfile): number => {
  const engine = engineProfile('h100-llama-3.1-8b');
  const all = world.reduce((sum, { tokens }) => sum + tokens + 600, 0);
  const largest = Math.max(...world.map(({ tokens }) => tokens + 600));
  const kvScale = Math.max(1.05 * largest, 0.55 * all) / (engine.totalBlocks * engine.blockTokens);
  const pool = { profile: engine, engines: 1, kvScale, tokenBudget: 8_192, maxRunningRequests: 8 };
  let cost = 0;
  let finished = 0;
  simulate({
    profile,
    engines: createPool(pool),
    arrivals: arrivalsOf(world),
    dispatchWindow: 4,
    observer: {
      programFinished: ({ programId, arrivedAt, finishedAt }) => {
        finished += 1;
        cost += (finishedAt - arrivedAt) / 1e6 - world[Number(programId.slice(1))]!.gapSeconds;
      },
    },
  });
  expect(finished).toBe(world.length);
  return cost;
};

/** Programs in this order, and exactly these contexts held while their tools run. */
const fixedChoice = (order: readonly number[], held: ReadonlySet<number>): PolicyProfile => ({
  name: 'fixed',
  ordering: {
    type: 'ordering.fixed',
    initialState: () => null,
    observe: () => undefined,
    rank: (_state, { program }) => order.indexOf(Number(program.programId.slice(1))),
  },
  retention: {
    type: 'retention.fixed',
    holdsWhileWaiting: true,
    initialState: () => null,
    observe: () => undefined,
    choose: (_state, { program }) => {
      const isHeld = held.has(Number(program.programId.slice(1)));
      const terms = isHeld ? { ttl: seconds(600), soft: false, value: 1e9 } : null;
      return { terms, reason: 'tried', inputs: {} };
    },
  },
});

const permutations = (items: readonly number[]): readonly (readonly number[])[] =>
  items.length <= 1
    ? [items]
    : items.flatMap((first) => permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]));

const bestCostSeconds = (world: readonly Context[]): number => {
  const indices = world.map((_, index) => index);
  let best = Infinity;
  for (const order of permutations(indices)) {
    for (let mask = 0; mask < 2 ** world.length; mask += 1) {
      const held = new Set(indices.filter((index) => (mask >> index) & 1));
      best = Math.min(best, costSeconds(world, fixedChoice(order, held)));
    }
  }
  return best;
};

/** The policy as it is when it has seen each tool many times: durations are known. */
const knowing = (world: readonly Context[]): PolicyProfile =>
  taughtPolicy(new Map(world.map(({ gapSeconds }) => [`takes ${gapSeconds} s`, gapSeconds])));

/** How much computing and waiting the policy costs at most, of the best that any order and any set of held contexts do. */
const FACTOR = 2;

describe('in a small world with known durations, holdfast', () => {
  const isNearTheBest = (world: readonly Context[]): void =>
    expect(costSeconds(world, knowing(world))).toBeLessThanOrEqual(FACTOR * bestCostSeconds(world));

  it(`costs at most ${FACTOR} times the best of all orders and all sets of held contexts, up to 4 programs`, () => {
    fc.assert(fc.property(contexts({ min: 2, max: 4 }), isNearTheBest), { numRuns: 15 });
  });

  it('and so it does with 5, of 3,840 choices', () => {
    fc.assert(fc.property(contexts({ min: 5, max: 5 }), isNearTheBest), { numRuns: 1 });
  });

  it('chooses the same twice', () => {
    fc.assert(
      fc.property(contexts({ min: 2, max: 5 }), (world) => {
        expect(costSeconds(world, knowing(world))).toBe(costSeconds(world, knowing(world)));
      }),
      { numRuns: 20 },
    );
  });
});
