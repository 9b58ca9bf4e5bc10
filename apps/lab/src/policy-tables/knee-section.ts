import type { KneeRow } from '../commands/knee.js';
import { markdownTable } from '../fidelity/markdown.js';
import { AGENTCGROUP, WEKA, type Section } from './section.js';
import { OWN } from './tables.js';

const POLICIES = `vllm-fcfs,continuum,${OWN}`;

export const KNEES = {
  agentcgroup: `${AGENTCGROUP} --policies ${POLICIES}`,
  weka: `${WEKA} --seeds 2 --policies ${POLICIES}`,
};

/** Pure. Largest load that a policy sustains. */
export const kneeOf = (rows: readonly KneeRow[], policy: string): number =>
  rows.find((row) => row.policy === policy)!.sustainableLoad;

/** How much more load at the same job time. */
export const kneeSection: Section = {
  name: 'knee',
  title: 'How much more load at the same job time',
  compares: {},
  knees: KNEES,
  write: ({ knee }) => {
    const names = Object.keys(KNEES);
    return [
      'The largest load, on a grid of 0.05, whose mean job completion time is at most 1.5 times that at load 0.2. Gaps are cut',
      'at 120 s.',
      '',
      markdownTable(
        ['trace', ...POLICIES.split(','), 'programs/h of holdfast', 'x vllm-fcfs', 'x continuum'],
        names.map((name) => {
          const rows = knee(name);
          const own = kneeOf(rows, OWN);
          return [
            name,
            ...POLICIES.split(',').map((policy) => kneeOf(rows, policy).toFixed(2)),
            rows.find(({ policy }) => policy === OWN)!.programsPerHour.toFixed(1),
            (own / kneeOf(rows, 'vllm-fcfs')).toFixed(2),
            (own / kneeOf(rows, 'continuum')).toFixed(2),
          ];
        }),
      ),
    ].join('\n');
  },
};
