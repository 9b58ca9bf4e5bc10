import Table from 'cli-table3';
import { INTERVALS, type ContenderFigures, type ScoreGroup } from './summarise-scores.js';

/** Pure. Figures of contenders, one table a group. */
export const scoresTables = (groups: readonly ScoreGroup[]): string =>
  groups.map((group) => `${titleOf(group)}\n${tableOf(group)}`).join('\n\n');

const titleOf = ({ tool, elapsedSeconds, contenders }: ScoreGroup): string => {
  const when = elapsedSeconds === 0 ? 'asked at the start' : `asked after ${elapsedSeconds} s, of calls that still run`;
  const whose = tool === null ? 'all tools' : tool === '' ? 'gaps without a named tool' : `tool ${tool}`;
  return `${whose}, ${when}: ${contenders[0]!.calls.toLocaleString('en')} calls`;
};

const tableOf = ({ contenders }: ScoreGroup): string => {
  const table = new Table({
    head: [
      'predictor',
      'answers',
      'median factor',
      'within 2x',
      'bits',
      `bits - ${contenders[0]!.contender}, by program`,
      ...INTERVALS.map((percent) => `in ${percent} %`),
    ],
    colAligns: ['left', ...new Array<'right'>(5 + INTERVALS.length).fill('right')],
    style: { head: [], border: [], compact: true },
  });
  for (const figures of contenders) table.push(rowOf(figures));
  return table.toString();
};

const rowOf = (figures: ContenderFigures): string[] => [
  figures.contender,
  percentOf(figures.answered),
  figures.medianFactor === null ? '-' : `${figures.medianFactor.toFixed(2)}x`,
  percentOf(figures.withinTwo),
  figures.bits === null ? '-' : figures.bits.toFixed(3),
  differenceOf(figures),
  ...INTERVALS.map((percent) => percentOf(figures.coverage === null ? null : figures.coverage[percent]!)),
];

const percentOf = (share: number | null): string => (share === null ? '-' : `${(100 * share).toFixed(1)} %`);

const differenceOf = ({ bitsAgainstFirst }: ContenderFigures): string => {
  if (bitsAgainstFirst === null) return '-';
  const { value, low, high } = bitsAgainstFirst;
  const interval = `${signed(low)} to ${signed(high)}`;
  return low <= 0 && high >= 0 ? `no difference (${interval})` : `${signed(value)} (${interval})`;
};

const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(3)}`;
