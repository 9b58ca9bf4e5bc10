import { describe, expect, it } from '@jest/globals';
import { instant, parsePolicy, seconds, type Decision } from '@holdfast/scheduling';
import { engineProfile } from '../profiles/engine-profile.js';
import { createPool } from './pool.js';
import { simulate } from './simulate.js';
import type { Arrival } from './workload.js';

const TURNS = 8;
const DRAINS_AT = instant(20e6);

const arrivals = Array.from({ length: 30 }, (_, index): Arrival => ({
  at: instant(index * 0.5e6),
  program: {
    programId: `p${index}`,
    programClass: 'c',
    turns: Array.from({ length: TURNS }, (__, turn) => ({
      promptTokens: 1_000 * (turn + 1),
      sharedTokens: turn === 0 ? 0 : 1_000 * turn + 100,
      outputTokens: 100,
      tool: 'bash',
      gap: seconds(turn === TURNS - 1 ? 0 : 3),
    })),
  },
}));

interface Run {
  readonly finishedPrograms: number;
  /** Dispatches from when the engine drains on. */
  readonly later: readonly Decision[];
  readonly revoked: number;
}

/** Three engines, each with room for about 15 whole contexts; the first one drains while all programs are there. */
const run = (policy: string, undrainAtSeconds = Infinity): Run => {
  const later: Decision[] = [];
  const { finishedPrograms, counters } = simulate({
    profile: parsePolicy(policy),
    engines: createPool({
      profile: engineProfile('h100-llama-3.1-8b'),
      engines: 3,
      kvScale: 0.27,
      tokenBudget: 2_048,
      maxRunningRequests: 16,
    }),
    arrivals,
    dispatchWindow: 4,
    drains: [
      { at: DRAINS_AT, engineId: 'e1', isDraining: true },
      ...(undrainAtSeconds === Infinity
        ? []
        : [{ at: instant(undrainAtSeconds * 1e6), engineId: 'e1', isDraining: false }]),
    ],
    observer: {
      decision: (decision) => {
        if (decision.kind === 'dispatch' && decision.at >= DRAINS_AT) later.push(decision);
      },
    },
  });
  return { finishedPrograms, later, revoked: counters.pinsRevoked };
};

const movesOf = ({ later }: Run): readonly Decision[] => later.filter(({ choice }) => choice === 'move');

describe('an engine of three that drains', () => {
  it.each(['holdfast', 'infinite-pin', 'vllm-fcfs'])(
    'with %s takes no more turns, and every program ends',
    (policy) => {
      const drained = run(policy);
      expect(drained.finishedPrograms).toBe(arrivals.length);
      expect(drained.later.filter(({ engineId }) => engineId === 'e1')).toEqual([]);
    },
  );

  it('has its programs spread over the others, each moved once, at a cost that the decision names', () => {
    const drained = run('holdfast');
    const moves = movesOf(drained);
    const to = (engineId: string): number => moves.filter((move) => move.engineId === engineId).length;
    expect(moves.length).toBeGreaterThanOrEqual(6);
    expect(Math.abs(to('e2') - to('e3'))).toBeLessThanOrEqual(1);
    expect(new Set(moves.map(({ programId }) => programId)).size).toBe(moves.length);
    for (const { reason, inputs } of moves) {
      expect(reason).toBe('its own engine drains');
      expect(inputs['reloadSeconds']).toBeGreaterThan(0);
    }
    // Nobody's memory is taken for them.
    expect(drained.revoked).toBe(0);
  });

  it('has those back who have not moved yet when it no longer drains', () => {
    const drained = run('holdfast', 21);
    expect(drained.finishedPrograms).toBe(arrivals.length);
    expect(movesOf(drained).length).toBeLessThan(movesOf(run('holdfast')).length);
    expect(drained.later.some(({ engineId, choice }) => engineId === 'e1' && choice === 'dispatch')).toBe(true);
  });
});
