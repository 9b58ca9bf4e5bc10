import { AGENTCGROUP, type Section } from './section.js';
import { jctTable } from './tables.js';

/** A pool of several engines. */
export const enginesSection: Section = {
  name: 'engines',
  title: 'Four engines',
  compares: {
    four:
      `${AGENTCGROUP.replace('--programs 300', '--programs 800')} --engines 4 --load 0.95,1.2 --seeds 2 ` +
      '--policies continuum,infinite-pin,clairvoyant,holdfast',
  },
  write: ({ cells }) =>
    [
      'Load 1.0 is that of four engines. Mean job completion time, seconds (longest):',
      '',
      jctTable(cells('four')),
    ].join('\n'),
};
