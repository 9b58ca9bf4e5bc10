import { describe, expect, it } from '@jest/globals';
import { instant, micros } from '@holdfast/scheduling';
import { backlogThroughput } from './backlog-throughput.js';
import { planArrivals, planBacklog } from './plan-arrivals.js';
import type { RecordedProgram } from './workload.js';

const programs = Array.from({ length: 20 }, (_, index): RecordedProgram => ({
  programId: `p${index}`,
  programClass: 'c',
  turns: [{ promptTokens: 10, sharedTokens: 0, outputTokens: 1, gap: micros(0) }],
}));

const ids = (arrivals: readonly { readonly program: RecordedProgram }[]): string[] =>
  arrivals.map(({ program }) => program.programId);

describe('planArrivals', () => {
  it('takes each program at most once while there are enough, and names copies when there are not', () => {
    const some = planArrivals({ programs, count: 15, ratePerSecond: 1, seed: 1 });
    expect(new Set(ids(some)).size).toBe(15);
    const many = planArrivals({ programs, count: 200, ratePerSecond: 1, seed: 1 });
    expect(new Set(ids(many)).size).toBe(200);
    expect(new Set(ids(many).map((id) => id.replace(/#\d+$/, ''))).size).toBeLessThanOrEqual(20);
  });

  it('gives the same programs at other loads, only nearer', () => {
    const slow = planArrivals({ programs, count: 20, ratePerSecond: 0.5, seed: 3 });
    const fast = planArrivals({ programs, count: 20, ratePerSecond: 1, seed: 3 });
    expect(ids(fast)).toEqual(ids(slow));
    for (const [index, { at }] of fast.entries()) expect(Math.abs(at * 2 - slow[index]!.at)).toBeLessThanOrEqual(1);
    expect(ids(planArrivals({ programs, count: 20, ratePerSecond: 1, seed: 4 }))).not.toEqual(ids(fast));
  });

  it('arrives at the asked rate', () => {
    const arrivals = planArrivals({ programs, count: 20_000, ratePerSecond: 4, seed: 1 });
    expect(20_000 / (arrivals.at(-1)!.at / 1e6)).toBeCloseTo(4, 0);
  });

  it('refuses what it cannot plan, by name', () => {
    expect(() => planArrivals({ programs, count: 1, ratePerSecond: 0, seed: 1 })).toThrow('ratePerSecond is 0');
    expect(() => planBacklog({ programs: [], count: 1, seed: 1 })).toThrow('programs has length 0');
  });
});

describe('backlogThroughput', () => {
  it('looks at the middle: a slow start and a slow end change nothing', () => {
    const steady = Array.from({ length: 100 }, (_, index) => instant(1e9 + index * 2e6));
    expect(backlogThroughput(steady)).toBeCloseTo(0.5);
    const edged = steady.map((at, index) => instant(index < 5 ? 0 : index > 90 ? at * 9 : at));
    expect(backlogThroughput(edged)).toBeCloseTo(0.5);
    expect(() => backlogThroughput(steady.slice(0, 9))).toThrow('at least 10');
  });
});
