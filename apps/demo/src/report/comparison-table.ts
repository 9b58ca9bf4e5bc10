import Table from 'cli-table3';
import type { SummaryRow } from '../measure/summary.js';
import { cachedShare } from './verdict.js';

interface Figure {
  readonly title: string;
  readonly value: (row: SummaryRow) => number;
  readonly show: (value: number) => string;
  /** `relative`: per cent of the first policy's value; `points`: percentage points; `none`: counts that mean nothing apart. */
  readonly change: 'relative' | 'points' | 'none';
}

const seconds = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} s`;
const count = (value: number): string => value.toLocaleString('en');
const millions = (value: number): string => `${(value / 1e6).toFixed(2)} M`;

const FIGURES: readonly Figure[] = [
  { title: 'JCT mean', value: (row) => row.jctSeconds.mean, show: seconds, change: 'relative' },
  { title: 'JCT p95', value: (row) => row.jctSeconds.p95, show: seconds, change: 'relative' },
  { title: 'TTFT mean', value: (row) => row.ttftSeconds.mean, show: seconds, change: 'relative' },
  { title: 'TTFT p95', value: (row) => row.ttftSeconds.p95, show: seconds, change: 'relative' },
  {
    title: 'cached share of prompt tokens',
    value: cachedShare,
    show: (share) => `${(share * 100).toFixed(1)} %`,
    change: 'points',
  },
  { title: 'recomputed prefill tokens', value: (row) => row.recomputedTokens, show: millions, change: 'relative' },
  { title: 'machine overhead, not counted', value: (row) => row.overheadSeconds, show: seconds, change: 'none' },
  { title: 'preemptions', value: (row) => row.preemptions, show: count, change: 'none' },
  { title: 'pins set', value: ({ pins }) => pins.set, show: count, change: 'none' },
  { title: 'pins hit', value: ({ pins }) => pins.hit, show: count, change: 'none' },
  { title: 'pins expired', value: ({ pins }) => pins.expired, show: count, change: 'none' },
  { title: 'pins revoked', value: ({ pins }) => pins.revoked, show: count, change: 'none' },
];

/** Pure. The policies side by side; changes are against the first. */
export const comparisonTable = (rows: readonly SummaryRow[], style: { readonly isColoured: boolean }): string => {
  const [baseline] = rows;
  if (baseline === undefined) return '';
  const table = new Table({
    head: ['model time', ...rows.map(({ policy }) => policy)],
    colAligns: ['left', ...rows.map(() => 'right' as const)],
    style: style.isColoured ? {} : { head: [], border: [] },
  });
  for (const figure of FIGURES) {
    table.push([figure.title, ...rows.map((row) => cell(figure, row, baseline))]);
  }
  return table.toString();
};

const cell = ({ value, show, change }: Figure, row: SummaryRow, baseline: SummaryRow): string => {
  const own = value(row);
  if (row === baseline || change === 'none') return show(own);
  const first = value(baseline);
  if (change === 'points') return `${show(own)} (${signed((own - first) * 100)} pts)`;
  return first === 0 ? show(own) : `${show(own)} (${signed((own / first - 1) * 100)} %)`;
};

const signed = (value: number): string => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(0)}`;
