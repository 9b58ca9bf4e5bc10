import Table from 'cli-table3';
import type { PairedRatio, PolicyFigures, SettingFigures } from '../statistics/comparison.js';
import type { SummaryRow } from '../measure/summary-row.js';

const FEW_SEEDS = 4;

/** Pure. Policies side by side, one table a setting. */
export const comparisonTables = (settings: readonly SettingFigures[]): string => {
  const tables = settings.map((figures) => `${titleOf(figures)}\n${tableOf(figures)}`);
  const seeds = Math.min(...settings.flatMap(({ policies }) => policies.map(({ rows }) => rows.length)));
  return `${[...tables, noteOn(seeds)].join('\n\n')}\n`;
};

const titleOf = ({ setting, policies }: SettingFigures): string => {
  const { trace, engine, engines, load } = setting;
  const rows = policies[0]!.rows;
  return `${trace} on ${engines} x ${engine}, load ${load}: ${rows[0]!.programs} programs, ${rows.length} seeds`;
};

const noteOn = (seeds: number): string => {
  const meaning = 'Ratios are of mean JCT, paired by seed, with 95 % bootstrap intervals over seeds.';
  if (seeds < 2) return `${meaning} With one seed there is no interval: take no ratio for a difference.`;
  if (seeds >= FEW_SEEDS) return meaning;
  return `${meaning} With ${seeds} seeds they are too narrow; ${FEW_SEEDS} or more are better.`;
};

const tableOf = ({ policies }: SettingFigures): string => {
  const constant = policies[0]!.againstBestConstant?.constant;
  const hasHost = policies.some(({ rows }) => rows.some(({ reloadedTokens }) => reloadedTokens !== undefined));
  const head = [
    'policy',
    'JCT mean s',
    'p50',
    'p95',
    'TTFT mean s',
    'p95',
    'cached',
    ...(hasHost ? ['reloaded'] : []),
    'recomputed',
    'preempted',
    'pins hit/set',
    `JCT / ${policies[0]!.policy}`,
    ...(constant === undefined ? [] : [`JCT / best constant (${constant})`]),
  ];
  const table = new Table({
    head,
    colAligns: ['left', ...new Array<'right'>(head.length - 1).fill('right')],
    style: { head: [], border: [] },
  });
  for (const figures of policies) table.push(rowOf(figures));
  return table.toString();
};

const rowOf = ({ policy, rows, againstFirst, againstBestConstant }: PolicyFigures): string[] => {
  const mean = (pick: (row: SummaryRow) => number): number =>
    rows.reduce((sum, row) => sum + pick(row), 0) / rows.length;
  const reloaded = mean((row) => row.reloadedTokens ?? NaN);
  const unfinished = mean((row) => row.programs - row.finished);
  return [
    unfinished === 0 ? policy : `${policy} (${unfinished} unfinished)`,
    seconds(mean((row) => row.jctSeconds.mean)),
    seconds(mean((row) => row.jctSeconds.p50)),
    seconds(mean((row) => row.jctSeconds.p95)),
    seconds(mean((row) => row.ttftSeconds.mean)),
    seconds(mean((row) => row.ttftSeconds.p95)),
    `${(
      100 *
      (mean((row) => row.cachedTokens) /
        Math.max(
          1,
          mean((row) => row.promptTokens),
        ))
    ).toFixed(1)} %`,
    ...(Number.isNaN(reloaded) ? [] : [millions(reloaded)]),
    millions(mean((row) => row.recomputedTokens)),
    mean((row) => row.preemptions).toFixed(0),
    `${mean((row) => row.pins.hit).toFixed(0)}/${mean((row) => row.pins.set).toFixed(0)}`,
    ratio(againstFirst),
    ...(againstBestConstant === undefined ? [] : [ratio(againstBestConstant)]),
  ];
};

/** Pure. A ratio with its interval; an interval that holds 1 is no difference. */
export const ratio = ({ value, low, high, verdict }: PairedRatio): string => {
  if (verdict === 'same') return '1';
  if (verdict === 'unknown') return value.toFixed(3);
  const interval = `${low.toFixed(3)} to ${high.toFixed(3)}`;
  return verdict === 'none' ? `no difference (${interval})` : `${value.toFixed(3)} (${interval})`;
};

const millions = (tokens: number): string => `${(tokens / 1e6).toFixed(2)} M`;

const seconds = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
