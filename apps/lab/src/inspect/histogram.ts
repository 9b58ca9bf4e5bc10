import { mean, quantileSorted } from 'simple-statistics';

/** Some values, with a picture in one line. */
export interface ValueSummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Bars over equal steps of the logarithm, from `from` to `max`. */
  readonly bars: string;
  /** Where the bars begin; values below are in the first one. */
  readonly from: number;
}

const BARS = ' ▁▂▃▄▅▆▇█';
const COLUMNS = 24;

/** Pure. Null without values. */
export const summariseValues = (values: readonly number[]): ValueSummary | null => {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort() as unknown as number[];
  const max = sorted[sorted.length - 1]!;
  const from = Math.max(quantileSorted(sorted, 0.01), max / 1e5, Number.MIN_VALUE);
  return {
    count: sorted.length,
    mean: mean(sorted),
    p50: quantileSorted(sorted, 0.5),
    p95: quantileSorted(sorted, 0.95),
    p99: quantileSorted(sorted, 0.99),
    max,
    bars: max > 0 ? barsOf(sorted, from, max) : '',
    from,
  };
};

const barsOf = (values: readonly number[], from: number, to: number): string => {
  const counts = new Array<number>(COLUMNS).fill(0);
  const span = Math.log(to / from);
  for (const value of values) {
    const place = span <= 0 || value <= from ? 0 : (Math.log(value / from) / span) * COLUMNS;
    counts[Math.min(COLUMNS - 1, Math.floor(place))]! += 1;
  }
  const most = Math.max(...counts);
  return counts.map((count) => BARS[Math.ceil((count / most) * (BARS.length - 1))]).join('');
};
