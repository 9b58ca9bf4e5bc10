import { AGENTCGROUP, WEKA, type Section } from './section.js';
import { OWN, ratioTable } from './tables.js';

const VARIANTS = [
  ['admission=none', 'no admission: a program starts at once'],
  ['pins=never', 'nothing is held'],
  ['pins=infinite', 'everything is held: no price'],
  ['stretch=0', 'the line by arrival alone'],
  ['growth=0.5', 'half the growth of live programs is reserved'],
  ['theta=0.1', 'memory cheaper'],
  ['theta=0.5', 'memory dearer'],
] as const;

const POLICIES = [OWN, ...VARIANTS.map(([parameter]) => `${OWN}:${parameter}`)].join();

/** What each ingredient brings. */
export const ablationSection: Section = {
  name: 'ablation',
  title: 'What each rule brings',
  compares: {
    agentcgroup: `${AGENTCGROUP} --load 0.8,0.95,1.2 --policies ${POLICIES}`,
    weka: `${WEKA} --gap-cap 3600s --load 1.5 --seeds 2 --policies ${POLICIES}`,
  },
  write: ({ cells }) => {
    const reasons = new Map<string, string>(VARIANTS.map(([parameter, reason]) => [`${OWN}:${parameter}`, reason]));
    const named = (policy: string): string => `\`${policy.replace(`${OWN}:`, '')}\`: ${reasons.get(policy) ?? ''}`;
    return [
      'Mean job completion time relative to `holdfast` as it is, by load; in brackets the worst seed. Above 1: the rule brings',
      'that much there.',
      '',
      'agentcgroup:',
      '',
      ratioTable(cells('agentcgroup'), OWN, named),
      '',
      'weka, gaps of up to an hour:',
      '',
      ratioTable(cells('weka'), OWN, named),
    ].join('\n');
  },
};
