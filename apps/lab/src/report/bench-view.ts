import { mean, quantile } from 'simple-statistics';
import type { CellResult } from '../cells/job.js';
import { bootstrapMean, type Estimate } from '../statistics/bootstrap.js';
import { compareRows, type SettingFigures } from '../statistics/comparison.js';

/** Cells of one trace on one pool: a chapter of the report. */
export interface BenchView {
  readonly title: string;
  readonly policies: readonly string[];
  readonly loads: readonly number[];
  readonly cells: readonly CellResult[];
  readonly settings: readonly SettingFigures[];
}

/** Pure. Chapters, in the order of the cells. */
export const benchViews = (cells: readonly CellResult[]): readonly BenchView[] => {
  const groups = new Map<string, CellResult[]>();
  for (const cell of cells) {
    const { trace, engine, engines } = cell.row;
    const title = `${trace} on ${engines} x ${engine}`;
    groups.set(title, [...(groups.get(title) ?? []), cell]);
  }
  return [...groups].map(([title, own]) => ({
    title,
    cells: own,
    policies: [...new Set(own.map(({ row }) => row.policy))],
    loads: [...new Set(own.map(({ row }) => row.load))].sort((a, b) => a - b),
    settings: compareRows(own.map(({ row }) => row)),
  }));
};

/** Pure. */
export const cellsOf = ({ cells }: BenchView, load: number, policy: string): readonly CellResult[] =>
  cells.filter(({ row }) => row.load === load && row.policy === policy);

/** A figure of a policy over load, with its interval over seeds. */
export interface CurvePoint extends Estimate {
  readonly load: number;
  readonly policy: string;
}

/** Pure. */
export const curve = (view: BenchView, pick: (cell: CellResult) => number): readonly CurvePoint[] =>
  view.policies.flatMap((policy) =>
    view.loads.flatMap((load) => {
      const values = cellsOf(view, load, policy).map(pick);
      return values.length === 0 ? [] : [{ load, policy, ...bootstrapMean(values) }];
    }),
  );

/** Where the values of a policy lie. */
export interface Spread {
  readonly policy: string;
  readonly p5: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p95: number;
  readonly mean: number;
}

/** Pure. Spread of the values of all seeds of each policy at a load. Values are at least `least`, for log scales. */
export const spreads = (
  view: BenchView,
  load: number,
  { pick, least }: { readonly pick: (cell: CellResult) => readonly number[]; readonly least: number },
): readonly Spread[] =>
  view.policies.flatMap((policy) => {
    const values = cellsOf(view, load, policy).flatMap(pick);
    if (values.length === 0) return [];
    const at = (share: number): number => Math.max(least, quantile(values, share));
    return [
      {
        policy,
        p5: at(0.05),
        p25: at(0.25),
        p50: at(0.5),
        p75: at(0.75),
        p95: at(0.95),
        mean: Math.max(least, mean(values)),
      },
    ];
  });
