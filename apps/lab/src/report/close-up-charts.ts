import * as Plot from '@observablehq/plot';
import type { ChosenPin, CloseUp, TurnSpan } from '../measure/cell-detail.js';
import { shortNumber } from './charts.js';
import { colourScale, draw } from './draw.js';

/** One policy seen closely. */
export interface CloseView {
  readonly policy: string;
  readonly close: CloseUp;
}

/** Pure. Turns that wait for their first token, over time. */
export const queueChart = (views: readonly CloseView[]): string => {
  const points = views.flatMap(({ policy, close }) =>
    close.queueDepth.map((depth, bin) => ({ policy, depth, minutes: ((bin + 0.5) * close.binSeconds) / 60 })),
  );
  return draw({
    height: 280,
    marginLeft: 46,
    x: { label: 'minutes', labelAnchor: 'center' },
    y: { label: 'turns waiting', grid: true, tickFormat: shortNumber },
    color: { type: 'categorical', ...colourScale(views.map(({ policy }) => policy)) },
    marks: [Plot.lineY(points, { x: 'minutes', y: 'depth', stroke: 'policy', strokeWidth: 1.4 })],
  });
};

const GOLDEN_ANGLE = 137.5;

/** Pure. KV tokens of running turns and of pins, a colour a program, over time. */
export const occupancyChart = ({ close }: CloseView, minutes: number): string => {
  const { binSeconds, occupancy, poolTokens } = close;
  const rows = occupancy.flatMap((programs, bin) =>
    programs.map(([program, tokens]) => ({
      program,
      tokens,
      from: (bin * binSeconds) / 60,
      to: ((bin + 1) * binSeconds) / 60,
      colour: `hsl(${Math.round((program * GOLDEN_ANGLE) % 360)} 50% 55%)`,
    })),
  );
  return draw({
    height: 220,
    marginLeft: 46,
    x: { label: 'minutes', labelAnchor: 'center', domain: [0, minutes] },
    y: { label: 'KV tokens', tickFormat: shortNumber, ticks: 4 },
    marks: [
      Plot.rectY(rows, { x1: 'from', x2: 'to', y: 'tokens', fill: 'colour', order: 'program', inset: 0 }),
      Plot.ruleY([poolTokens], { stroke: 'currentColor', strokeDasharray: '4 3' }),
    ],
  });
};

/** What a program does, and how that looks. */
export const PHASES = {
  queue: '#d9534f',
  prefill: '#e5a03c',
  decode: '#4269d0',
  tool: '#9aa0a8',
} as const;

export const PIN_COLOURS: Readonly<Record<ChosenPin['outcome'], string>> = {
  hit: '#3ca951',
  expired: '#e5a03c',
  revoked: '#d9534f',
  released: '#9aa0a8',
  open: '#9460d9',
};

interface Bar {
  readonly row: 'turns' | 'pins';
  readonly from: number;
  readonly to: number;
  readonly colour: string;
  readonly title: string;
}

/** Pure. One program: its turns and tools in one row, its pins in the other. Hovering a pin shows the decision. */
export const timelineChart = ({ close }: CloseView): string => {
  const { turns, pins } = close.chosen;
  const seconds = Math.max(1e-3, ...turns.map(({ finishedAt }) => finishedAt));
  const bars = [
    ...turns.flatMap((turn, index) => turnBars(turn, { index, next: turns[index + 1] })),
    ...pins.map(pinBar),
  ];
  return draw({
    height: 120,
    marginLeft: 46,
    x: { label: 'seconds after arrival', labelAnchor: 'center', domain: [0, seconds] },
    y: { type: 'band', domain: ['turns', 'pins'], label: null, padding: 0.15 },
    marks: [
      Plot.barX(bars, {
        y: 'row',
        x1: 'from',
        x2: 'to',
        fill: 'colour',
        stroke: 'colour',
        strokeWidth: 0.5,
        title: 'title',
      }),
    ],
  });
};

const turnBars = (
  turn: TurnSpan,
  { index, next }: { readonly index: number; readonly next: TurnSpan | undefined },
): readonly Bar[] => {
  const { submittedAt, dispatchedAt, startedAt, finishedAt } = turn;
  const name = `turn ${index + 1}`;
  const bar = (phase: keyof typeof PHASES, from: number, to: number, what: string): Bar => ({
    row: 'turns',
    from,
    to,
    colour: PHASES[phase],
    title: `${name}, ${what}: ${shortNumber(to - from)} s`,
  });
  const tokens = `${turn.promptTokens} prompt tokens, ${turn.cachedTokens} cached, ${turn.recomputedTokens} computed again`;
  return [
    bar('queue', submittedAt, dispatchedAt, 'queue'),
    bar('prefill', dispatchedAt, startedAt, `engine queue and prefill (${tokens})`),
    bar('decode', startedAt, finishedAt, `decode of ${turn.outputTokens} tokens`),
    ...(next === undefined ? [] : [bar('tool', finishedAt, next.submittedAt, 'tool')]),
  ].filter(({ from, to }) => to > from);
};

const pinBar = ({ setAt, endedAt, outcome, tokens, decision }: ChosenPin): Bar => ({
  row: 'pins',
  from: setAt,
  to: endedAt,
  colour: PIN_COLOURS[outcome],
  title: `pin of ${tokens} tokens, ${outcome} after ${shortNumber(endedAt - setAt)} s; ${decisionText(decision)}`,
});

/** Pure. Why a pin was set, for people. */
export const decisionText = (decision: ChosenPin['decision']): string => {
  if (decision === null) return 'no decision recorded';
  const inputs = Object.entries(decision.inputs).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? shortNumber(value) : String(value)}`,
  );
  return `${decision.policy}: ${decision.reason}${inputs.length === 0 ? '' : ` (${inputs.join(', ')})`}`;
};
