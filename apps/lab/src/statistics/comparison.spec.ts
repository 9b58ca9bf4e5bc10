import { describe, expect, it } from '@jest/globals';
import type { SummaryRow } from '../measure/summary-row.js';
import { ratio } from '../output/comparison-table.js';
import { bootstrapMean } from './bootstrap.js';
import { compareRows } from './comparison.js';

const NONE = { mean: 0, p50: 0, p95: 0, p99: 0, max: 0 };

const row = (policy: string, seed: number, meanJct: number): SummaryRow => ({
  trace: 't',
  engine: 'e',
  engines: 1,
  policy,
  load: 0.8,
  seed,
  programs: 10,
  finished: 10,
  jctSeconds: { ...NONE, mean: meanJct },
  ttftSeconds: NONE,
  queueWaitSeconds: NONE,
  promptTokens: 0,
  cachedTokens: 0,
  recomputedTokens: 0,
  outputTokens: 0,
  preemptions: 0,
  pins: { set: 0, hit: 0, expired: 0, revoked: 0 },
  pinnedByteSeconds: { used: 0, wasted: 0 },
  turnsPerSecond: 1,
});

const rowsOf = (policy: string, means: readonly number[]): SummaryRow[] =>
  means.map((value, index) => row(policy, index + 1, value));

describe('bootstrapMean', () => {
  it('holds the true mean in about 95 of 100 samples', () => {
    let held = 0;
    for (let trial = 0; trial < 100; trial += 1) {
      const sample = Array.from({ length: 40 }, (_, index) => Math.sin(trial * 977 + index * 131.7) * 10);
      const { low, high } = bootstrapMean(sample);
      if (low <= 0 && 0 <= high) held += 1;
    }
    expect(held).toBeGreaterThan(85);
  });

  it('is the same each time, and has no width for one value', () => {
    expect(bootstrapMean([1, 5, 9])).toEqual(bootstrapMean([1, 5, 9]));
    expect(bootstrapMean([4])).toEqual({ value: 4, low: 4, high: 4 });
  });
});

describe('compareRows', () => {
  const hard = [100, 400, 900, 1_600];

  it('pairs by seed: a steady gain is found although seeds differ far more', () => {
    const [setting] = compareRows([
      ...rowsOf('a', hard),
      ...rowsOf(
        'b',
        hard.map((jct) => jct * 0.9),
      ),
    ]);
    const { againstFirst } = setting!.policies[1]!;
    expect(againstFirst).toMatchObject({ verdict: 'better', seeds: 4 });
    expect(againstFirst.value).toBeCloseTo(0.9);
  });

  it('calls a difference none when its interval holds zero, and prints it so', () => {
    const mixed = [110, 380, 950, 1_500];
    const [setting] = compareRows([...rowsOf('a', hard), ...rowsOf('b', mixed)]);
    const { againstFirst } = setting!.policies[1]!;
    expect(againstFirst.verdict).toBe('none');
    expect(ratio(againstFirst)).toMatch(/^no difference \(/);
  });

  it('calls one seed unknown and the yardstick itself 1', () => {
    const [setting] = compareRows([row('a', 1, 10), row('b', 1, 20)]);
    expect(setting!.policies.map(({ againstFirst }) => againstFirst.verdict)).toEqual(['same', 'unknown']);
    expect(setting!.policies.map(({ againstFirst }) => ratio(againstFirst))).toEqual(['1', '2.000']);
  });

  it('finds the best constant pin in hindsight', () => {
    const rows = [
      ...rowsOf('continuum', [10, 10]),
      ...rowsOf('static-ttl:ttl=2s', [9, 9]),
      ...rowsOf('infinite-pin', [5, 5]),
      ...rowsOf('static-ttl:ttl=120s', [6, 6]),
    ];
    const [setting] = compareRows(rows);
    expect(setting!.policies[0]!.againstBestConstant).toMatchObject({ constant: 'infinite-pin', verdict: 'worse' });
    expect(setting!.policies[0]!.againstBestConstant!.value).toBeCloseTo(2);
    expect(compareRows(rowsOf('continuum', [10, 10]))[0]!.policies[0]!.againstBestConstant).toBeUndefined();
  });
});
