import { AGENTCGROUP, type Section } from './section.js';
import { jctTable } from './tables.js';

const SHARED_TOKENS = 10_000;

/** Engines are modelled block by block here, which takes ten times as long: fewer programs and seeds. */
const SMALL =
  `${AGENTCGROUP.replace('--programs 300', '--programs 100')} --load 0.95 --seeds 2 ` +
  '--policies continuum,infinite-pin,holdfast';

/** Programs with the same system prompt. */
export const sharedPromptSection: Section = {
  name: 'shared-prompt',
  title: 'A system prompt that programs share',
  compares: { shared: `${SMALL} --shared-prompt ${SHARED_TOKENS}`, apart: SMALL },
  write: ({ cells }) =>
    [
      `The first ${SHARED_TOKENS.toLocaleString('en')} prompt tokens of every program are the same ones, and engines find them by their hashes. Load 1.0`,
      'is that of such engines. Mean job completion time, seconds (longest):',
      '',
      jctTable(cells('shared')),
      '',
      'The same programs with nothing in common, at the loads of that:',
      '',
      jctTable(cells('apart')),
    ].join('\n'),
};
