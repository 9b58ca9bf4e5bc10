import type { BenchView } from './bench-view.js';
import { shortNumber } from './charts.js';
import {
  decisionText,
  occupancyChart,
  PHASES,
  PIN_COLOURS,
  queueChart,
  timelineChart,
  type CloseView,
} from './close-up-charts.js';
import { colourScale, legend } from './draw.js';
import { escapeHtml, figure, htmlTable } from './html.js';

/** Pins listed of one program and policy. */
const MOST_PINS = 200;

/** Pure. Queue, memory and one program over time, at the load that was looked at closely. Empty without such cells. */
export const closeUpSection = (view: BenchView): string => {
  const closeCells = view.cells.filter(({ detail }) => detail.close !== undefined);
  const first = closeCells[0];
  if (first === undefined) return '';
  const views = closeCells.map(({ row, detail }): CloseView => ({ policy: row.policy, close: detail.close! }));
  const minutes = Math.max(...views.map(({ close }) => close.binSeconds * close.queueDepth.length)) / 60;
  const { load, seed } = first.row;
  return [
    `<h3>Close up: load ${load}, seed ${seed}</h3>`,
    legend(colourScale(views.map(({ policy }) => policy))),
    `<div class="grid">${figure('Turns that wait for their first token', queueChart(views))}</div>`,
    '<h4>KV memory by program</h4>',
    '<p>Tokens of running turns and of pins, a colour a program; the dashed line is the memory of the pool. What else lies in the prefix cache is not shown.</p>',
    `<div class="grid">${views.map((own) => figure(own.policy, occupancyChart(own, minutes))).join('')}</div>`,
    timelines(views),
  ].join('\n');
};

const timelines = (views: readonly CloseView[]): string => {
  const { programId } = views[0]!.close.chosen;
  const colours = {
    ...PHASES,
    ...Object.fromEntries(Object.entries(PIN_COLOURS).map(([name, colour]) => [`pin ${name}`, colour])),
  };
  return [
    `<h4>One program: ${escapeHtml(programId)}</h4>`,
    '<p>Each policy has its own scale of time.</p>',
    legend({ domain: Object.keys(colours), range: Object.values(colours) }),
    `<div class="grid">${views.map((view) => oneTimeline(view)).join('')}</div>`,
  ].join('\n');
};

const oneTimeline = (view: CloseView): string => {
  const { turns, pins } = view.close.chosen;
  const last = turns.at(-1)?.finishedAt ?? 0;
  const recomputed = turns.reduce((sum, turn) => sum + turn.recomputedTokens, 0);
  const note = `${turns.length} turns in ${shortNumber(last)} s, ${shortNumber(recomputed)} tokens computed again, ${pins.length} pins`;
  return figure(view.policy, timelineChart(view) + pinTable(view), note);
};

const pinTable = ({ close }: CloseView): string => {
  const { pins } = close.chosen;
  if (pins.length === 0) return '';
  const rows = pins
    .slice(0, MOST_PINS)
    .map(({ setAt, endedAt, outcome, tokens, decision }) => [
      shortNumber(setAt),
      shortNumber(endedAt - setAt),
      outcome,
      shortNumber(tokens),
      decisionText(decision),
    ]);
  const rest = pins.length > MOST_PINS ? `<p>and ${pins.length - MOST_PINS} more</p>` : '';
  return `<details><summary>Decision behind each pin</summary>${htmlTable(['set at s', 'held s', 'end', 'tokens', 'decision'], rows)}${rest}</details>`;
};
