import { geometricMean, mean } from 'simple-statistics';
import type { SummaryRow } from '../measure/summary-row.js';

/** A ratio to another policy: the geometric mean over seeds, and the largest. */
export interface Ratio {
  readonly value: number;
  readonly worst: number;
}

export type Pick = (row: SummaryRow) => number;

const meanJct: Pick = ({ jctSeconds }) => jctSeconds.mean;

/** Rows of one comparison of one trace, to be asked for figures. */
export class Cells {
  constructor(private readonly rows: readonly SummaryRow[]) {}

  /** Pure. In order of the command. */
  get policies(): readonly string[] {
    return [...new Set(this.rows.map(({ policy }) => policy))];
  }

  /** Pure. */
  get loads(): readonly number[] {
    return [...new Set(this.rows.map(({ load }) => load))].sort((a, b) => a - b);
  }

  /** Pure. Of every seed, in order of seeds. Throws a RangeError for what was not run. */
  of(policy: string, load: number): readonly SummaryRow[] {
    const rows = this.rows.filter((row) => row.policy === policy && row.load === load);
    if (rows.length > 0) return [...rows].sort((a, b) => a.seed - b.seed);
    throw new RangeError(`${policy} at ${load} was not run; there are ${this.policies.join()} at ${this.loads.join()}`);
  }

  /** Pure. Mean over seeds; of mean JCT, seconds, unless told otherwise. */
  mean(policy: string, load: number, pick: Pick = meanJct): number {
    return mean(this.of(policy, load).map(pick));
  }

  /** Pure. JCT of the program that took longest in any seed, seconds. */
  longest(policy: string, load: number): number {
    return Math.max(...this.of(policy, load).map(({ jctSeconds }) => jctSeconds.max));
  }

  /** Pure. To another policy with the same seeds. */
  ratio(policy: string, other: string, load: number, pick: Pick = meanJct): Ratio {
    return ratioOf(this.of(policy, load), this.of(other, load), pick);
  }

  /** Pure. The constant pin with the least mean JCT there. */
  bestConstant(load: number): string {
    const constants = this.policies.filter((policy) => policy.startsWith('static-ttl') || policy === 'infinite-pin');
    return constants.sort((a, b) => this.mean(a, load) - this.mean(b, load))[0]!;
  }
}

/** Pure. Seed by seed, whatever the two were run on. */
export const ratioOf = (own: readonly SummaryRow[], other: readonly SummaryRow[], pick: Pick = meanJct): Ratio => {
  const ratios = own.map((row, index) => pick(row) / pick(other[index]!));
  return { value: geometricMean(ratios), worst: Math.max(...ratios) };
};
