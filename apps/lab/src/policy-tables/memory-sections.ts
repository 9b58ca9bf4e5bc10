import { RIVALS } from './load-section.js';
import { AGENTCGROUP, WEKA, type Section } from './section.js';
import { figureTable, jctTable } from './tables.js';

/** Where gaps are long, constants are. */
const LONG_RIVALS = RIVALS.replace('ttl=120s', 'ttl=300s');

export const HALF_AUTONOMOUS = `${AGENTCGROUP} --kv-scale 0.5 --load 0.3,0.8,0.95 --policies ${RIVALS}`;
export const HALF_PEOPLE_CAPPED = `${WEKA} --kv-scale 0.5 --load 0.95,1.2 --policies ${RIVALS}`;
export const LONG_AUTONOMOUS = `${AGENTCGROUP} --gap-cap 3600s --load 0.95 --policies ${LONG_RIVALS}`;
export const PEOPLE = `${WEKA} --gap-cap 3600s --load 0.8,1.5 --policies ${LONG_RIVALS},infinite-kv`;

/** Half the memory; loads are of that engine. */
export const halfMemorySection: Section = {
  name: 'half-memory',
  title: 'Half the memory',
  compares: { agentcgroup: HALF_AUTONOMOUS, weka: HALF_PEOPLE_CAPPED },
  write: ({ cells }) =>
    [
      'KV memory is half of the profile, and load 1.0 that of such an engine. Mean job completion time, seconds (longest).',
      '',
      'agentcgroup:',
      '',
      jctTable(cells('agentcgroup')),
      '',
      'weka:',
      '',
      jctTable(cells('weka')),
    ].join('\n'),
};

/** Gaps of up to an hour: people answer. */
export const peopleSection: Section = {
  name: 'people',
  title: 'People in the loop',
  compares: { weka: PEOPLE, agentcgroup: LONG_AUTONOMOUS },
  write: ({ cells }) =>
    [
      'Gaps of up to an hour. Mean job completion time, seconds (longest); most of it is people. `infinite-kv` never forgets: the',
      'distance to it is all that can be won.',
      '',
      'weka:',
      '',
      jctTable(cells('weka')),
      '',
      'The same, mean time to first token in seconds:',
      '',
      figureTable(
        cells('weka'),
        ({ ttftSeconds }) => ttftSeconds.mean,
        (seconds) => seconds.toFixed(2),
      ),
      '',
      'agentcgroup, which has few gaps beyond 120 s:',
      '',
      jctTable(cells('agentcgroup')),
    ].join('\n'),
};
