import Table from 'cli-table3';
import { summariseValues, type ValueSummary } from './histogram.js';
import type { TraceCensus } from './trace-census.js';

const MOST_TOOLS = 15;
const PLAIN = { head: [], border: [] };

/** Pure. The census for people. */
export const censusReport = (title: string, census: TraceCensus): string => {
  const prompt = census.promptTokens.reduce((sum, tokens) => sum + tokens, 0);
  const classes = [...census.classes].sort((a, b) => b[1] - a[1]);
  const lines = [
    title,
    `${count(census.programs)} programs, ${count(census.promptTokens.length)} turns, ${count(prompt)} prompt tokens ` +
      `(${((census.sharedTokens / prompt) * 100).toFixed(1)} % shared with the turn before)`,
    `classes: ${classes.map(([name, programs]) => `${name} ${programs}`).join(', ')}`,
    valueTable(census),
  ];
  if (census.tools.size > 0) lines.push(toolTable(census));
  return `${lines.join('\n')}\n`;
};

const valueTable = (census: TraceCensus): string => {
  const table = new Table({
    head: ['', 'mean', 'p50', 'p95', 'p99', 'max', 'distribution (log scale)'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: PLAIN,
  });
  const rows: readonly (readonly [string, readonly number[]])[] = [
    ['turns per program', census.turnsPerProgram],
    ['prompt tokens', census.promptTokens],
    ['new prompt tokens', census.newTokens],
    ['output tokens', census.outputTokens],
    ['gap after a tool call, s', census.toolGapSeconds],
    ['gap without a tool, s', census.otherGapSeconds],
  ];
  for (const [name, values] of rows) {
    const summary = summariseValues(values);
    if (summary !== null) table.push([name, ...figures(summary), picture(summary)]);
  }
  return table.toString();
};

const toolTable = ({ tools }: TraceCensus): string => {
  const table = new Table({
    head: ['tool', 'calls', 'mean s', 'p50', 'p95', 'p99', 'max', 'distribution (log scale)'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: PLAIN,
  });
  const sorted = [...tools.values()].sort((a, b) => b.seconds.length - a.seconds.length || (a.name < b.name ? -1 : 1));
  for (const { name, seconds } of sorted.slice(0, MOST_TOOLS)) {
    const summary = summariseValues(seconds)!;
    table.push([name, count(summary.count), ...figures(summary), picture(summary)]);
  }
  const rest = sorted.slice(MOST_TOOLS);
  if (rest.length === 0) return table.toString();
  const calls = rest.reduce((sum, { seconds }) => sum + seconds.length, 0);
  return `${table.toString()}\nand ${rest.length} more tools with ${count(calls)} calls`;
};

const figures = ({ mean, p50, p95, p99, max }: ValueSummary): string[] => [mean, p50, p95, p99, max].map(figure);

const picture = ({ bars, from, max }: ValueSummary): string => `${figure(from)} ${bars} ${figure(max)}`;

const figure = (value: number): string => {
  if (value === 0) return '0';
  if (value < 10) return value < 0.001 ? '<0.001' : value.toPrecision(2).replace(/\.?0+$/, '');
  return count(Math.round(value));
};

const count = (value: number): string => value.toLocaleString('en');
