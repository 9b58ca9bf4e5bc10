import { describe, expect, it } from '@jest/globals';
import { instant, micros } from '@holdfast/scheduling';
import { backlogThroughput } from './backlog-throughput.js';
import { planArrivals, planBacklog } from './plan-arrivals.js';
import { planRecordedArrivals, recordedRate } from './recorded-arrivals.js';
import { withSizeHints } from './size-hints.js';
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

  it('brings the same programs in batches at the same rate', () => {
    const plan = { programs, count: 20_000, ratePerSecond: 4, seed: 1 };
    const batches = planArrivals({ ...plan, batch: 10 });
    expect(ids(batches)).toEqual(ids(planArrivals(plan)));
    expect(20_000 / (batches.at(-1)!.at / 1e6)).toBeCloseTo(4, 0);
    const times = batches.map(({ at }) => at);
    for (let index = 0; index < times.length; index += 10) {
      expect(new Set(times.slice(index, index + 10)).size).toBe(1);
    }
    expect(new Set(times).size).toBe(2_000);
  });

  it('refuses what it cannot plan, by name', () => {
    expect(() => planArrivals({ programs, count: 1, ratePerSecond: 0, seed: 1 })).toThrow('ratePerSecond is 0');
    expect(() => planArrivals({ programs, count: 1, ratePerSecond: 1, seed: 1, batch: 0 })).toThrow('batch is 0');
    expect(() => planBacklog({ programs: [], count: 1, seed: 1 })).toThrow('programs has length 0');
  });
});

describe('planRecordedArrivals', () => {
  const recorded = [30, 0, 10, 11, 60].map((at, index) => ({ ...programs[index]!, arrivedAt: instant(at * 1e6) }));

  it('keeps the order and the pattern of the recording at another rate', () => {
    expect(recordedRate(recorded)).toBeCloseTo(4 / 60);
    const arrivals = planRecordedArrivals({ programs: recorded, count: 5, ratePerSecond: 8 / 60, seed: 1 });
    expect(ids(arrivals)).toEqual(ids([1, 2, 3, 0, 4].map((index) => ({ program: recorded[index]! }))));
    expect(arrivals.map(({ at }) => at / 1e6)).toEqual([0, 5, 5.5, 15, 30]);
  });

  it('takes a stretch that the seed chooses', () => {
    const stretch = (seed: number): string[] =>
      ids(planRecordedArrivals({ programs: recorded, count: 2, ratePerSecond: 1, seed }));
    const inOrder = ids([1, 2, 3, 0, 4].map((index) => ({ program: recorded[index]! })));
    const seen = new Set(Array.from({ length: 40 }, (_, seed) => inOrder.indexOf(stretch(seed)[0]!)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3]);
    const [first, second] = stretch(3);
    expect(inOrder.indexOf(second!)).toBe(inOrder.indexOf(first!) + 1);
  });

  it('refuses what it cannot plan, by name', () => {
    const plan = (given: readonly RecordedProgram[], count: number) => (): unknown =>
      planRecordedArrivals({ programs: given, count, ratePerSecond: 1, seed: 1 });
    expect(plan(programs, 2)).toThrow('has no arrival time');
    expect(plan(recorded, 6)).toThrow('count is 6; allowed are at most the 5 programs');
    expect(plan(recorded, 1)).toThrow('at least two instants');
  });
});

describe('withSizeHints', () => {
  const arrivals = planArrivals({ programs, count: 2_000, ratePerSecond: 1, seed: 1 });

  it('tells the truth without an error, and twice too much or more in a quarter of all cases with sigma 1', () => {
    const [{ program, sizeHint }] = withSizeHints(arrivals, { sigma: 0, seed: 1 }) as [(typeof arrivals)[number]];
    const computed = program.turns.map((turn) => turn.promptTokens - turn.sharedTokens + turn.outputTokens);
    const expectedTokens = computed.reduce((sum, tokens) => sum + tokens, 0);
    expect(sizeHint).toEqual({ expectedTurns: program.turns.length, expectedTokens });
    const truth = withSizeHints(arrivals, { sigma: 0, seed: 1 });
    const rough = withSizeHints(arrivals, { sigma: 1, seed: 1 });
    const over = rough.filter(
      (arrival, index) => arrival.sizeHint!.expectedTokens >= 2 * truth[index]!.sizeHint!.expectedTokens,
    );
    // P(z >= ln 2) = 0.244
    expect(over.length / 2_000).toBeCloseTo(0.244, 1);
    expect(rough.map(({ at }) => at)).toEqual(arrivals.map(({ at }) => at));
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
