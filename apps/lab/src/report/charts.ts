import * as Plot from '@observablehq/plot';
import type { CellResult } from '../cells/job.js';
import { cellsOf, curve, spreads, type BenchView, type CurvePoint } from './bench-view.js';
import { CHART_WIDTH, colourScale, draw } from './draw.js';

const ROW_HEIGHT = 24;
/** Room for the names of policies, by their length. */
const labelWidth = (policies: readonly string[]): number =>
  Math.min(170, 24 + 6.5 * Math.max(...policies.map(({ length }) => length)));

/** Within a decade or so a log scale has too few ticks to read anything from. */
const LOG_FROM_RATIO = 12;

const scaleOf = (points: readonly CurvePoint[]): 'log' | 'linear' => {
  const values = points.map(({ value }) => value);
  return Math.max(...values) >= LOG_FROM_RATIO * Math.min(...values) ? 'log' : 'linear';
};

/** Pure. A figure over load, one line a policy, with intervals over seeds. */
export const loadCurve = (
  view: BenchView,
  { label, pick }: { readonly label: string; readonly pick: (cell: CellResult) => number },
): string => {
  const points = curve(view, pick);
  return draw({
    height: 320,
    marginLeft: 52,
    x: {
      label: 'load',
      labelAnchor: 'center',
      ticks: [...view.loads],
      tickFormat: (load: number) => String(load),
      inset: 8,
    },
    y: { type: scaleOf(points), label, grid: true, tickFormat: shortNumber, ticks: 5 },
    color: { type: 'categorical', ...colourScale(view.policies) },
    marks: [
      Plot.areaY(points, { x: 'load', y1: 'low', y2: 'high', z: 'policy', fill: 'policy', fillOpacity: 0.12 }),
      Plot.ruleX(points, { x: 'load', y1: 'low', y2: 'high', stroke: 'policy' }),
      Plot.lineY(points, { x: 'load', y: 'value', z: 'policy', stroke: 'policy', strokeWidth: 1.6 }),
      Plot.dot(points, {
        x: 'load',
        y: 'value',
        fill: 'policy',
        r: 3,
        title: ({ policy, load, value, low, high }: (typeof points)[number]) =>
          `${policy} at ${load}: ${shortNumber(value)} (${shortNumber(low)} to ${shortNumber(high)})`,
      }),
    ],
  });
};

/** Pure. Percentiles 5, 25, 50, 75 and 95 of each policy at one load, and its mean as a ring. */
export const spreadChart = (
  view: BenchView,
  load: number,
  what: { readonly label: string; readonly least: number; readonly pick: (cell: CellResult) => readonly number[] },
): string => {
  const rows = spreads(view, load, what);
  const title = ({ policy, p5, p50, p95, mean }: (typeof rows)[number]): string =>
    `${policy}: median ${shortNumber(p50)}, mean ${shortNumber(mean)}, 5th ${shortNumber(p5)}, 95th ${shortNumber(p95)}`;
  return draw({
    height: 50 + ROW_HEIGHT * rows.length,
    marginLeft: labelWidth(view.policies),
    x: { type: 'log', label: what.label, labelAnchor: 'center', grid: true, tickFormat: shortNumber, ticks: 5 },
    y: { type: 'band', domain: [...view.policies], label: null },
    color: { type: 'categorical', ...colourScale(view.policies) },
    marks: [
      Plot.ruleY(rows, { y: 'policy', x1: 'p5', x2: 'p95', stroke: 'policy', strokeWidth: 1.5, title }),
      Plot.ruleY(rows, { y: 'policy', x1: 'p25', x2: 'p75', stroke: 'policy', strokeWidth: 9, title }),
      Plot.tickX(rows, { y: 'policy', x: 'p50', stroke: 'var(--surface)', strokeWidth: 2.5, inset: 4 }),
      Plot.dot(rows, { y: 'policy', x: 'mean', stroke: 'currentColor', fill: 'var(--surface)', r: 3.5, title }),
    ],
  });
};

interface Part {
  readonly policy: string;
  readonly part: string;
  readonly amount: number;
}

/** Pure. Parts of a whole of each policy at one load, stacked: means over seeds. */
export const partsChart = (
  view: BenchView,
  load: number,
  what: {
    readonly label: string;
    readonly parts: readonly (readonly [name: string, colour: string, pick: (cell: CellResult) => number])[];
  },
): string => {
  const rows = view.policies.flatMap((policy) => {
    const cells = cellsOf(view, load, policy);
    return what.parts.map(([part, , pick]): Part => ({
      policy,
      part,
      amount: cells.reduce((sum, cell) => sum + pick(cell), 0) / Math.max(1, cells.length),
    }));
  });
  return draw({
    height: 50 + ROW_HEIGHT * view.policies.length,
    width: CHART_WIDTH,
    marginLeft: labelWidth(view.policies),
    x: { label: what.label, labelAnchor: 'center', grid: true, tickFormat: shortNumber, ticks: 5 },
    y: { type: 'band', domain: [...view.policies], label: null, padding: 0.25 },
    color: { domain: what.parts.map(([name]) => name), range: what.parts.map(([, colour]) => colour) },
    marks: [
      Plot.barX(rows, {
        y: 'policy',
        x: 'amount',
        fill: 'part',
        order: what.parts.map(([name]) => name),
        title: ({ policy, part, amount }: Part) => `${policy}: ${part} ${shortNumber(amount)}`,
      }),
    ],
  });
};

/** Pure. 1234567 as 1.2M. */
export const shortNumber = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 1e9) return `${trimmed(value / 1e9)}G`;
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (size >= 1e4) return `${trimmed(value / 1e3)}k`;
  return trimmed(value);
};

const trimmed = (value: number): string => String(Number(value.toPrecision(3)));
