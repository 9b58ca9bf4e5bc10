import { instant, micros, parsePolicy } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { h100Pool } from './h100-pool.fixture.js';
import { simulate } from './simulate.js';
import type { Arrival } from './workload.js';

/** Programs of one turn; the last one comes an hour after the others. */
const arrivals = Array.from({ length: 6 }, (_, index): Arrival => ({
  program: {
    programId: `p${index}`,
    programClass: 'c',
    turns: [{ promptTokens: 500 + 100 * index, sharedTokens: 0, outputTokens: 20, gap: micros(0) }],
  },
  at: instant(index === 5 ? 3_600_000_000 : index),
}));

const spans = (programsAtOnce?: number): readonly (readonly [number, number])[] => {
  const records: [number, number][] = [];
  const result = simulate({
    profile: parsePolicy('vllm-fcfs'),
    engines: h100Pool({ engines: 1, kvScale: 1 }),
    arrivals,
    ...(programsAtOnce === undefined ? {} : { programsAtOnce }),
    dispatchWindow: 4,
    observer: { programFinished: ({ arrivedAt, finishedAt }) => void records.push([arrivedAt, finishedAt]) },
  });
  expect(result.finishedPrograms).toBe(6);
  return records.sort(([a], [b]) => a - b);
};

/** Programs that live while the one of this index comes, itself included. */
const together = (programs: readonly (readonly [number, number])[]): number[] =>
  programs.map(([at]) => programs.filter(([from, to]) => from <= at && at < to).length);

describe('programs at once', () => {
  it('never are more than allowed: the next one comes when one ends, or later if its time is later', () => {
    const limited = spans(2);
    expect(together(limited)).toEqual([1, 2, 2, 2, 2, 1]);
    expect(limited[2]![0]).toBe(Math.min(limited[0]![1], limited[1]![1]));
    expect(limited[5]![0]).toBe(3_600_000_000);
  });

  it('are all that have come, without a limit', () => {
    expect(together(spans())).toEqual([1, 2, 3, 4, 5, 1]);
  });
});
