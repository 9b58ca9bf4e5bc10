import { AGENTCGROUP, type Section } from './section.js';
import { jctTable } from './tables.js';

const POLICIES = 'vllm-fcfs,infinite-pin,clairvoyant,holdfast';

export const HINTED = `${AGENTCGROUP} --size-hint 1 --load 0.95,1.2 --policies ${POLICIES}`;

/** Clients announce their size. */
export const hintSection: Section = {
  name: 'size-hints',
  title: 'Size hints',
  compares: { hinted: HINTED, exact: `${AGENTCGROUP} --size-hint 0 --load 0.95,1.2 --policies holdfast` },
  write: ({ cells }) =>
    [
      'Clients announce turns and tokens, off by exp(z), z standard normal: within 2x half of the time. Only `holdfast` reads it.',
      'Mean job completion time, seconds (longest):',
      '',
      jctTable(cells('hinted')),
      '',
      'With hints that are exact:',
      '',
      jctTable(cells('exact')),
    ].join('\n'),
};
