import { type Section } from './section.js';
import { jctTable } from './tables.js';

/** Short autonomous programs and long ones with people in the loop, in one pool. */
export const mixedSection: Section = {
  name: 'mixed',
  title: 'Programs of two kinds in one pool',
  compares: {
    mixed:
      '--trace mixed=AGENTCGROUP+WEKA --select odd --programs 300 --engine h100-llama-3.1-70b-tp4 --gap-cap 3600s ' +
      '--load 0.8,1.2 --seeds 2 --policies vllm-fcfs,continuum,infinite-pin,holdfast',
  },
  write: ({ cells }) =>
    [
      'Programs of both traces, drawn from all of them alike, on the engines of weka; gaps of up to an hour. Mean job completion',
      'time, seconds (longest):',
      '',
      jctTable(cells('mixed')),
    ].join('\n'),
};
