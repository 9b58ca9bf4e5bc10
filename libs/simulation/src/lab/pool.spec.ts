import { describe, expect, it } from '@jest/globals';
import { instant, parsePolicy, seconds, type Decision, type KernelCounters } from '@holdfast/scheduling';
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
}

const run = (abilities: EngineAbilities): Run => {
  const decisions: Decision[] = [];
  const jcts: number[] = [];
  const { counters, finishedPrograms } = simulate({
    profile: parsePolicy('holdfast'),
    engines: createPool({
      profile: engineProfile('h100-llama-3.1-8b'),
      engines: 1,
      kvScale: 0.05,
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
  return { counters, decisions, finishedPrograms, meanJctSeconds: jcts.reduce((a, b) => a + b, 0) / jcts.length };
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
