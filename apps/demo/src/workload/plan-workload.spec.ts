import { describe, expect, it } from '@jest/globals';
import { planWorkload, turnsOf, type WorkloadOptions } from './plan-workload.js';
import type { ProgramFacts } from './program-facts.js';

const facts: readonly ProgramFacts[] = ['a', 'b', 'c', 'd', 'e'].map((id) => ({
  id,
  turns: [0, 5, 90].map((gapSeconds) => ({
    promptTokens: 9,
    sharedTokens: 0,
    outputTokens: 1,
    gapSeconds,
    tool: 'tool',
  })),
}));
const options: WorkloadOptions = { programs: 5, seed: 7, arrivalsPerSecond: 0.1, gapCapSeconds: 60, turnCap: 3 };

describe('a planned workload', () => {
  it('is the same for the same options, and another for another seed', () => {
    expect(planWorkload(facts, options)).toEqual(planWorkload(facts, options));
    const arrivals = (seed: number): number[] =>
      planWorkload(facts, { ...options, seed }).map(({ arrivesAtSeconds }) => arrivesAtSeconds);
    expect(arrivals(8)).not.toEqual(arrivals(7));
  });

  it('draws every program once before any comes again', () => {
    const ids = planWorkload(facts, { ...options, programs: 10 }).map(({ id }) => id);
    expect(ids.slice(0, 5).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(ids.slice(5)).toEqual(ids.slice(0, 5));
  });

  it('lets programs arrive in order, at the rate asked for', () => {
    const arrivals = planWorkload(facts, { ...options, programs: 4_000 }).map(
      ({ arrivesAtSeconds }) => arrivesAtSeconds,
    );
    expect(arrivals).toEqual([...arrivals].sort((a, b) => a - b));
    const ratePerSecond = arrivals.length / (arrivals.at(-1) ?? 0);
    expect(ratePerSecond).toBeGreaterThan(0.094);
    expect(ratePerSecond).toBeLessThan(0.106);
  });

  it('cuts gaps and turns', () => {
    const workload = planWorkload(facts, { ...options, turnCap: 2, gapCapSeconds: 4 });
    expect(turnsOf(workload)).toBe(10);
    expect(workload[0]?.turns.map(({ gapSeconds }) => gapSeconds)).toEqual([0, 4]);
    expect(planWorkload(facts, options)[0]?.turns.map(({ gapSeconds }) => gapSeconds)).toEqual([0, 5, 60]);
  });
});
