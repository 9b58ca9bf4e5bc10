import { markdownTable } from '../fidelity/markdown.js';
import type { Cells, Pick, Ratio } from './cells.js';
import { HINTED } from './hint-section.js';
import { KNEES, kneeOf } from './knee-section.js';
import { AUTONOMOUS, PEOPLE_CAPPED } from './load-section.js';
import { HALF_AUTONOMOUS, HALF_PEOPLE_CAPPED, LONG_AUTONOMOUS, PEOPLE } from './memory-sections.js';
import type { Found, Section } from './section.js';
import { OWN, ratioText } from './tables.js';

/** Runs by name, with what they are called in the table. */
const RUNS = {
  agentcgroup: 'agentcgroup',
  weka: 'weka',
  agentcgroupHalf: 'agentcgroup, half the memory',
  wekaHalf: 'weka, half the memory',
  agentcgroupLong: 'agentcgroup, gaps to 3600 s',
  wekaLong: 'weka, gaps to 3600 s',
  hints: 'agentcgroup, hints of sigma 1',
} as const;

type Run = keyof typeof RUNS;

const TRACES: readonly Run[] = ['agentcgroup', 'weka'];
/** Everything without hints. */
const SETTINGS: readonly Run[] = ['agentcgroup', 'weka', 'agentcgroupHalf', 'wekaHalf', 'agentcgroupLong', 'wekaLong'];

/** A line of the table. */
interface Goal {
  readonly goal: string;
  readonly where: string;
  readonly measured: string;
  readonly isMet: boolean;
}

/** What was set out to be reached, and whether it is. */
export const goalsSection: Section = {
  name: 'goals',
  title: 'Goals, and whether they are met',
  compares: {
    agentcgroup: AUTONOMOUS,
    weka: PEOPLE_CAPPED,
    agentcgroupHalf: HALF_AUTONOMOUS,
    wekaHalf: HALF_PEOPLE_CAPPED,
    agentcgroupLong: LONG_AUTONOMOUS,
    wekaLong: PEOPLE,
    hints: HINTED,
  },
  knees: KNEES,
  write: (found) => {
    const goals = goalsOf(found);
    return [
      'Ratios of `holdfast` to another policy, geometric means over seeds; in brackets the worst seed. Mean job completion times',
      'unless it says otherwise. A goal for every seed is judged by the worst one, one for the longest program over all seeds.',
      '',
      markdownTable(
        ['goal', 'where', 'measured', 'met'],
        goals.map(({ goal, where, measured, isMet }) => [goal, where, measured, isMet ? 'yes' : '**no**']),
      ),
      '',
      `${goals.filter(({ isMet }) => isMet).length} of ${goals.length} are met.`,
    ].join('\n');
  },
};

const goalsOf = (found: Found): readonly Goal[] => [
  ...kneeGoals(found),
  ...TRACES.map((run) => against(found, run, { other: 'continuum', load: 0.95, most: 0.35 })),
  ...SETTINGS.map((run) => bestConstantGoal(found, run)),
  against(found, 'wekaLong', { other: 'infinite-pin', load: 0.8, most: 0.75 }),
  ...TRACES.flatMap((run) => [
    against(found, run, { other: 'clairvoyant', load: 0.8, most: 1.06 }),
    against(found, run, { other: 'clairvoyant', load: 0.95, most: 1.25 }),
  ]),
  against(found, 'hints', { other: 'clairvoyant', load: 0.95, most: 1.1 }),
  against(found, 'hints', { other: 'clairvoyant', load: 1.2, most: 1.35 }),
  ...([...TRACES, 'agentcgroupHalf'] as const).flatMap((run) => lowLoadGoals(found, run)),
  ...SETTINGS.flatMap((run) => [
    longestGoal(found, run, { other: 'vllm-fcfs', most: 1 }),
    longestGoal(found, run, { other: 'infinite-pin', most: 1.05 }),
  ]),
  longestGoal(found, 'hints', { other: 'vllm-fcfs', most: 1.4 }),
  longestGoal(found, 'hints', { other: 'infinite-pin', most: 1.4 }),
];

interface Limit {
  readonly other: string;
  readonly load: number;
  /** The largest ratio that meets the goal. */
  readonly most: number;
}

const both = ({ value, worst }: Ratio): string => `${ratioText(value)} (${ratioText(worst)})`;

const kneeGoals = ({ knee }: Found): readonly Goal[] =>
  (
    [
      ['agentcgroup', 'continuum', 1.2],
      ['agentcgroup', 'vllm-fcfs', 1.35],
      ['weka', 'continuum', 1.3],
      ['weka', 'vllm-fcfs', 1.4],
    ] as const
  ).map(([run, other, least]) => {
    const ratio = kneeOf(knee(run), OWN) / kneeOf(knee(run), other);
    return {
      goal: `sustainable load at least ${least} x \`${other}\``,
      where: run,
      measured: ratio.toFixed(2),
      isMet: ratio >= least,
    };
  });

const against = ({ cells }: Found, run: Run, { other, load, most }: Limit): Goal => {
  const ratio = cells(run).ratio(OWN, other, load);
  return {
    goal: `at most ${most} x \`${other}\``,
    where: `${RUNS[run]}, ${load}`,
    measured: both(ratio),
    isMet: ratio.value <= most,
  };
};

const MOST_OF_CONSTANT = 1.03;

/** At the load where it is farthest behind. */
const bestConstantGoal = ({ cells }: Found, run: Run): Goal => {
  const of = cells(run);
  const { load, best, ratio } = of.loads
    .map((each) => ({ load: each, best: of.bestConstant(each) }))
    .map((each) => ({ ...each, ratio: of.ratio(OWN, each.best, each.load) }))
    .reduce((a, b) => (b.ratio.value > a.ratio.value ? b : a));
  return {
    goal: `at most ${MOST_OF_CONSTANT} x the best constant pin in hindsight`,
    where: `${RUNS[run]}, worst at ${load}: \`${best}\``,
    measured: both(ratio),
    isMet: ratio.value <= MOST_OF_CONSTANT,
  };
};

const meanTtft: Pick = ({ ttftSeconds }) => ttftSeconds.mean;

const lowLoadGoals = ({ cells }: Found, run: Run): readonly Goal[] => {
  const limits = [
    { load: 0.3, most: 1.002 },
    { load: 0.5, most: 1.01 },
  ].filter(({ load }) => cells(run).loads.includes(load));
  const ttft = cells(run).ratio(OWN, 'vllm-fcfs', 0.3, meanTtft);
  return [
    ...limits.map(({ load, most }): Goal => {
      const ratio = cells(run).ratio(OWN, 'vllm-fcfs', load);
      return {
        goal: `every seed at most ${most} x \`vllm-fcfs\``,
        where: `${RUNS[run]}, ${load}`,
        measured: both(ratio),
        isMet: ratio.worst <= most,
      };
    }),
    {
      goal: 'mean TTFT at most 1.03 x `vllm-fcfs`',
      where: `${RUNS[run]}, 0.3`,
      measured: both(ttft),
      isMet: ttft.value <= 1.03,
    },
  ];
};

/** At the load where it is farthest behind. */
const longestGoal = ({ cells }: Found, run: Run, { other, most }: Omit<Limit, 'load'>): Goal => {
  const of: Cells = cells(run);
  const ratios = of.loads.map((load) => ({ load, ratio: of.longest(OWN, load) / of.longest(other, load) }));
  const { load, ratio } = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a));
  return {
    goal: `longest program at most ${most.toFixed(2)} x \`${other}\``,
    where: `${RUNS[run]}, worst at ${load}`,
    measured: ratioText(ratio),
    isMet: ratio <= most,
  };
};
