import Table from 'cli-table3';
import type { ArmName, ScenarioName } from './arms.js';
import type { Measured } from './replay.js';

/** One row of the JSON file. */
export interface BenchRow {
  readonly arm: ArmName;
  readonly scenario: ScenarioName;
  readonly round: number;
  readonly meanJctSeconds: number;
  readonly p95JctSeconds: number;
  readonly meanTtftSeconds: number;
  readonly cachedShare: number;
}

/** Pure. The row of a run. */
export const rowOf = (place: Pick<BenchRow, 'arm' | 'scenario' | 'round'>, measured: Measured): BenchRow => ({
  ...place,
  meanJctSeconds: measured.meanJctSeconds,
  p95JctSeconds: measured.p95JctSeconds,
  meanTtftSeconds: measured.meanTtftSeconds,
  cachedShare: measured.cachedShare,
});

type Figure = 'meanJctSeconds' | 'p95JctSeconds' | 'meanTtftSeconds' | 'cachedShare';

/** Pure. The table: means over the rounds, the smallest and the largest, and the ratio to the first arm by round. */
export const tableOf = (rows: readonly BenchRow[]): string => {
  const table = new Table({
    head: ['scenario', 'arm', 'mean JCT s', 'of stock', 'p95 JCT s', 'mean TTFT s', 'cached share'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { scenario, arm } of groupsOf(rows)) {
    const own = rows.filter((row) => row.scenario === scenario && row.arm === arm);
    const spread = (figure: Figure, digits: number): string =>
      spreadOf(
        own.map((row) => row[figure]),
        digits,
      );
    table.push([
      scenario,
      arm,
      spread('meanJctSeconds', 1),
      spreadOf(ratiosToStock(rows, { scenario, arm }), 2),
      spread('p95JctSeconds', 1),
      spread('meanTtftSeconds', 2),
      spread('cachedShare', 2),
    ]);
  }
  return table.toString();
};

/** Pure. Mean JCT by that of stock in the same round: what the machine does besides changes from round to round. */
export const ratiosToStock = (
  rows: readonly BenchRow[],
  { scenario, arm }: Pick<BenchRow, 'scenario' | 'arm'>,
): readonly number[] =>
  rows
    .filter((row) => row.scenario === scenario && row.arm === arm)
    .flatMap(({ round, meanJctSeconds }) => {
      const stock = rows.find((row) => row.scenario === scenario && row.arm === 'stock' && row.round === round);
      return stock === undefined ? [] : [meanJctSeconds / stock.meanJctSeconds];
    });

const groupsOf = (rows: readonly BenchRow[]): readonly Pick<BenchRow, 'scenario' | 'arm'>[] => {
  const seen = new Map(rows.map(({ scenario, arm }) => [`${scenario}/${arm}`, { scenario, arm }]));
  return [...seen.values()];
};

/** Pure. Mean (smallest to largest). */
const spreadOf = (values: readonly number[], digits: number): string => {
  if (values.length === 0) return '';
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return mean.toFixed(digits);
  return `${mean.toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;
};
