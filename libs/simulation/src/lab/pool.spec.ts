import { describe, expect, it } from '@jest/globals';
import { instant, parsePolicy, seconds, type Decision, type KernelCounters } from '@holdfast/scheduling';
import type { EngineTotals } from '../extent-engine/simulated-engine.js';
import { engineProfile } from '../profiles/engine-profile.js';
import { createPool, type EngineAbilities } from './pool.js';
import { simulate } from './simulate.js';
import type { Arrival } from './workload.js';

const arrivals = Array.from({ length: 12 }, (_, index): Arrival => ({
  at: instant(index * 1e6),
  program: {
    programId: `p${index}`,
    programClass: 'c',
    turns: Array.from({ length: 4 }, (__, turn) => ({
      promptTokens: 2_000 * (turn + 1),
      sharedTokens: turn === 0 ? 0 : 2_000 * turn + 100,
      outputTokens: 100,
      tool: 'bash',
      gap: seconds(turn === 3 ? 0 : 3),
    })),
  },
}));

interface Run {
  readonly counters: Readonly<KernelCounters>;
  readonly decisions: readonly Decision[];
  readonly finishedPrograms: number;
  readonly meanJctSeconds: number;
  readonly totals: EngineTotals;
}

const run = (
  abilities: EngineAbilities,
  { policy = 'holdfast', hostKvScale = 0, sharedPromptTokens = 0 } = {},
): Run => {
  const decisions: Decision[] = [];
  const jcts: number[] = [];
  const { counters, finishedPrograms, totals } = simulate({
    profile: parsePolicy(policy),
    engines: createPool({
      profile: engineProfile('h100-llama-3.1-8b'),
      engines: 1,
      kvScale: 0.05,
      sharedPromptTokens,
      hostKvScale,
      tokenBudget: 2_048,
      maxRunningRequests: 4,
      abilities,
    }),
    arrivals,
    dispatchWindow: 4,
    observer: {
      decision: (decision) => decisions.push(decision),
      programFinished: ({ arrivedAt, finishedAt }) => jcts.push((finishedAt - arrivedAt) / 1e6),
    },
  });
  const meanJctSeconds = jcts.reduce((a, b) => a + b, 0) / jcts.length;
  return { counters, decisions, finishedPrograms, meanJctSeconds, totals };
};

describe('what engines of a pool can do', () => {
  it('is all of it by default: contexts are pinned, nothing is lowered', () => {
    const { counters, decisions, finishedPrograms } = run('full');
    expect(finishedPrograms).toBe(12);
    expect(counters.pinsHit).toBeGreaterThan(0);
    expect(decisions.filter(({ lowering }) => lowering !== undefined)).toEqual([]);
  });

  it.each(['order', 'stock'] as const)(
    'is less at level %s: no pin is set, decisions say so, every program ends',
    (level) => {
      const { counters, decisions, finishedPrograms, meanJctSeconds } = run(level);
      expect(finishedPrograms).toBe(12);
      expect(counters).toMatchObject({ pinsSet: 0, pinsHit: 0, pinsLost: 0 });
      expect(decisions.some(({ lowering }) => lowering?.includes('holds no pins') === true)).toBe(true);
      expect(meanJctSeconds).toBeGreaterThanOrEqual(run('full').meanJctSeconds * 0.99);
    },
  );
});

describe('a prompt that programs share', () => {
  const SHARED = 1_600;
  const alike = run('full', { sharedPromptTokens: SHARED });
  const apart = run('full');

  it('is computed once and found by everybody else', () => {
    expect(alike.finishedPrograms).toBe(12);
    // Blocks of 16: the whole prompt is there for whoever comes while somebody's blocks are.
    const saved = alike.totals.cachedTokens - apart.totals.cachedTokens;
    expect(saved).toBeGreaterThanOrEqual(8 * SHARED);
    expect(alike.meanJctSeconds).toBeLessThan(apart.meanJctSeconds);
  });

  it('changes nothing when it is one token: less than a block is not found', () => {
    const { totals, meanJctSeconds } = run('full', { sharedPromptTokens: 1 });
    expect({ totals, meanJctSeconds }).toEqual({ totals: apart.totals, meanJctSeconds: apart.meanJctSeconds });
  });
});

describe('host memory of a pool', () => {
  const with4 = run('full', { policy: 'vllm-fcfs', hostKvScale: 4 });
  const without = run('full', { policy: 'vllm-fcfs' });

  it('brings contexts back that would be computed again, sooner', () => {
    expect(without.totals).toMatchObject({ reloadedTokens: 0, offloadedTokens: 0 });
    expect(with4.totals.reloadedTokens).toBeGreaterThan(0);
    expect(with4.totals.offloadedTokens).toBeGreaterThanOrEqual(with4.totals.reloadedTokens);
    expect(with4.totals.cachedTokens).toBeGreaterThan(without.totals.cachedTokens);
    expect(with4.meanJctSeconds).toBeLessThan(without.meanJctSeconds);
  });

  it('keeps every context that fits, so that each token is computed once', () => {
    const { promptTokens, cachedTokens } = with4.totals;
    // Twelve programs of 2,000 new tokens a turn; of each context the last block, not full, is computed again.
    expect(promptTokens - cachedTokens).toBeLessThan(12 * (4 * 2_000 + 3 * 16));
  });
});
