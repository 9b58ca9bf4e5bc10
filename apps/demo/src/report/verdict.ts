import type { SummaryRow } from '../measure/summary.js';

/** Differences of less than this share are called none, however quiet the machine was. */
const EVEN_SHARE = 0.02;

/** Pure. What the figures say, in words: each policy against the first. Empty for one policy. */
export const verdictOf = (rows: readonly SummaryRow[]): string => {
  const [baseline, ...others] = rows;
  if (baseline === undefined || others.length === 0) return '';
  const clauses = others.map((row) => clauseOf(row, baseline));
  return `Against ${baseline.policy}, ${clauses.join('; ')}.`;
};

const clauseOf = (row: SummaryRow, baseline: SummaryRow): string => {
  const ratio = row.jctSeconds.mean / baseline.jctSeconds.mean;
  const jct = `mean ${seconds(row.jctSeconds.mean)} instead of ${seconds(baseline.jctSeconds.mean)}`;
  const cached = cachedClause(cachedShare(row), cachedShare(baseline));
  const noise = Math.max(EVEN_SHARE, (overheadShare(row) + overheadShare(baseline)) / 2);
  if (Math.abs(ratio - 1) < noise)
    return `${row.policy} made no difference beyond the noise of ${percent(noise)} (${jct}): ${cached}`;
  if (ratio < 1) return `${row.policy} completed programs in ${percent(1 - ratio)} less time (${jct}): ${cached}`;
  return `${row.policy} LOST, its programs took ${percent(ratio - 1)} longer (${jct}): ${cached}`;
};

/** Slowness of this machine shows between turns, where it is known, and within them, where it is not: a yardstick. */
const overheadShare = ({ overheadSeconds, jctSeconds }: SummaryRow): number =>
  jctSeconds.mean === 0 ? 0 : overheadSeconds / jctSeconds.mean;

const cachedClause = (own: number, first: number): string =>
  percent(own) === percent(first)
    ? `${percent(own)} of the prompt tokens came from a cache in both`
    : `${percent(own)} instead of ${percent(first)} of the prompt tokens came from a cache`;

/** Pure. Prompt tokens found in a cache, as a share. */
export const cachedShare = ({ cachedTokens, promptTokens }: SummaryRow): number =>
  promptTokens === 0 ? 0 : cachedTokens / promptTokens;

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
const seconds = (value: number): string => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} s`;
