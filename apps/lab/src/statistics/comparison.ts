import type { SummaryRow } from '../measure/summary-row.js';
import { bootstrapMean, type Estimate } from './bootstrap.js';

/** Rows of one trace, engine, number of engines and load: what may be compared. */
export interface Setting {
  readonly trace: string;
  readonly engine: string;
  readonly engines: number;
  readonly load: number;
}

/** One policy in one setting, over its seeds. */
export interface PolicyFigures {
  readonly policy: string;
  readonly rows: readonly SummaryRow[];
  readonly meanJctSeconds: Estimate;
  /** Mean JCT over that of the first policy, paired by seed (geometric mean of ratios). */
  readonly againstFirst: PairedRatio;
  /** The same against the best constant pin of this setting in hindsight; absent when none was run. */
  readonly againstBestConstant?: PairedRatio & { readonly constant: string };
}

export interface PairedRatio extends Estimate {
  readonly seeds: number;
  /** `none`: the interval holds 1. `unknown`: one seed tells nothing of chance. */
  readonly verdict: 'better' | 'worse' | 'none' | 'unknown' | 'same';
}

/** A setting with its policies, in the order in which they were given. */
export interface SettingFigures {
  readonly setting: Setting;
  readonly policies: readonly PolicyFigures[];
}

/** Half of the last digit that is printed: what rounds to 1 is no difference either. */
const LEAST_DIFFERENCE = 0.0005;

/** Constant pins, among which the best in hindsight is found. */
const CONSTANT_PIN = /^(static-ttl(:.*)?|infinite-pin)$/;

/** Pure. Figures by setting. */
export const compareRows = (rows: readonly SummaryRow[]): readonly SettingFigures[] => {
  const groups = new Map<string, SummaryRow[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.trace, row.engine, row.engines, row.load]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()].map(settingFigures);
};

const settingFigures = (rows: readonly SummaryRow[]): SettingFigures => {
  const { trace, engine, engines, load } = rows[0]!;
  const byPolicy = new Map<string, SummaryRow[]>();
  for (const row of rows) byPolicy.set(row.policy, [...(byPolicy.get(row.policy) ?? []), row]);
  const first = [...byPolicy.values()][0]!;
  const best = bestConstant(byPolicy);
  const policies = [...byPolicy].map(([policy, own]): PolicyFigures => ({
    policy,
    rows: own,
    meanJctSeconds: bootstrapMean(own.map(({ jctSeconds }) => jctSeconds.mean)),
    againstFirst: pairedRatio(own, first),
    ...(best === null ? {} : { againstBestConstant: { ...pairedRatio(own, best), constant: best[0]!.policy } }),
  }));
  return { setting: { trace, engine, engines, load }, policies };
};

const bestConstant = (byPolicy: ReadonlyMap<string, readonly SummaryRow[]>): readonly SummaryRow[] | null => {
  const constants = [...byPolicy].filter(([policy]) => CONSTANT_PIN.test(policy)).map(([, rows]) => rows);
  const meanJct = (rows: readonly SummaryRow[]): number =>
    rows.reduce((sum, { jctSeconds }) => sum + jctSeconds.mean, 0) / rows.length;
  return constants.sort((a, b) => meanJct(a) - meanJct(b))[0] ?? null;
};

/** Pure. Ratio of mean JCTs, seed by seed. Throws an Error when the two share no seed. */
export const pairedRatio = (own: readonly SummaryRow[], other: readonly SummaryRow[]): PairedRatio => {
  const otherOf = new Map(other.map(({ seed, jctSeconds }) => [seed, jctSeconds.mean]));
  const logs = own.flatMap(({ seed, jctSeconds }) => {
    const base = otherOf.get(seed);
    return base === undefined ? [] : [Math.log(jctSeconds.mean / base)];
  });
  const { value, low, high } = bootstrapMean(logs);
  const ratio = { value: Math.exp(value), low: Math.exp(low), high: Math.exp(high), seeds: logs.length };
  return { ...ratio, verdict: verdictOf(own === other, ratio) };
};

const verdictOf = (
  isSame: boolean,
  { low, high, seeds }: Estimate & { readonly seeds: number },
): PairedRatio['verdict'] => {
  if (isSame) return 'same';
  if (seeds < 2) return 'unknown';
  if (high < 1 - LEAST_DIFFERENCE) return 'better';
  return low > 1 + LEAST_DIFFERENCE ? 'worse' : 'none';
};
