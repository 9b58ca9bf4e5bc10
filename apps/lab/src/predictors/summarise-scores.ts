import { mean, median } from 'simple-statistics';
import { bootstrapMean, type Estimate } from '../statistics/bootstrap.js';
import type { ScoredForecast, Scores } from './score-contenders.js';

/** Central intervals whose coverage is told, in percent. */
export const INTERVALS = [50, 80, 95] as const;

/** How one contender did on some calls. */
export interface ContenderFigures {
  readonly contender: string;
  readonly calls: number;
  /** Share of calls that it had anything to say of. */
  readonly answered: number;
  /** Of those answered: exp of the median of |ln(median / duration)|. */
  readonly medianFactor: number | null;
  /** Of those answered: share whose duration is at most twice, and at least half, the predicted median. */
  readonly withinTwo: number | null;
  /** Mean -log2 of the probability of what came, over bins of a quarter of a doubling; less is better. */
  readonly bits: number | null;
  /** Bits less those of the first contender, paired by program; more than 0 is worse. Null for the first. */
  readonly bitsAgainstFirst: Estimate | null;
  /** Share of durations inside the central interval, by its percent. */
  readonly coverage: { readonly [percent: number]: number } | null;
}

/** One group of calls, and every contender on it. */
export interface ScoreGroup {
  /** Null: all tools. Empty: gaps in which no tool was named. */
  readonly tool: string | null;
  readonly elapsedSeconds: number;
  readonly contenders: readonly ContenderFigures[];
}

/** Pure. Figures over all tools at every elapsed time, then at the start of the calls of each tool, most calls first. */
export const summariseScores = ({ forecasts }: Scores, mostTools: number): readonly ScoreGroup[] => {
  const byElapsed = groupBy(forecasts, ({ elapsedSeconds }) => elapsedSeconds);
  const overall = [...byElapsed].map(([elapsedSeconds, group]) => ({
    tool: null,
    elapsedSeconds,
    contenders: figuresOf(group),
  }));
  const byTool = [...groupBy(byElapsed.get(0) ?? [], ({ tool }) => tool)];
  byTool.sort(([a, first], [b, second]) => second.length - first.length || (a < b ? -1 : 1));
  const tools = byTool.slice(0, mostTools).map(([tool, group]) => ({
    tool,
    elapsedSeconds: 0,
    contenders: figuresOf(group),
  }));
  return [...overall.sort((a, b) => a.elapsedSeconds - b.elapsedSeconds), ...tools];
};

const groupBy = <K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> => {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
};

const figuresOf = (forecasts: readonly ScoredForecast[]): readonly ContenderFigures[] => {
  const groups = [...groupBy(forecasts, ({ contender }) => contender)];
  const [, first = []] = groups[0] ?? [];
  const silent = ([, own]: (typeof groups)[number]): boolean => own.every(({ logError }) => logError === null);
  return groups
    .filter((group) => !silent(group))
    .map(([contender, own]) => {
      const errors = own.flatMap(({ logError }) => logError ?? []);
      const bits = own.flatMap((score) => score.bits ?? []);
      const positions = own.flatMap(({ position }) => position ?? []);
      return {
        contender,
        calls: own.length,
        answered: errors.length / own.length,
        medianFactor: errors.length === 0 ? null : Math.exp(median(errors)),
        withinTwo: errors.length === 0 ? null : shareOf(errors, (error) => error <= Math.LN2 + 1e-9),
        bits: bits.length === 0 ? null : mean(bits),
        bitsAgainstFirst: own === first || bits.length < own.length ? null : difference(own, first),
        coverage:
          positions.length === 0
            ? null
            : Object.fromEntries(
                INTERVALS.map((percent) => [percent, mean(positions.map((place) => inside(place, percent)))]),
              ),
      };
    });
};

const shareOf = <T>(items: readonly T[], isOne: (item: T) => boolean): number =>
  items.filter(isOne).length / items.length;

/** Share of the steps on which the duration lies that the interval covers (the non-randomised form of Czado et al. 2009). */
const inside = ({ low, high }: NonNullable<ScoredForecast['position']>, percent: number): number => {
  const [from, to] = [0.5 - percent / 200, 0.5 + percent / 200];
  if (high - low < 1e-6) return high >= from && low <= to ? 1 : 0;
  return Math.max(0, Math.min(high, to) - Math.max(low, from)) / (high - low);
};

/** Resampled by program: calls of one program are alike. */
const difference = (own: readonly ScoredForecast[], first: readonly ScoredForecast[]): Estimate => {
  const differences = own.map(({ programId, bits }, index) => ({ programId, bits: bits! - first[index]!.bits! }));
  const byProgram = [...groupBy(differences, ({ programId }) => programId).values()];
  return bootstrapMean(byProgram.map((calls) => mean(calls.map(({ bits }) => bits))));
};
