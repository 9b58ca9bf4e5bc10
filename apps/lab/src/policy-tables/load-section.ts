import * as Plot from '@observablehq/plot';
import { colourScale, draw } from '../report/draw.js';
import type { Cells } from './cells.js';
import { AGENTCGROUP, WEKA, type Found, type Picture, type Section } from './section.js';
import { jctTable } from './tables.js';

/** What `holdfast` is held against everywhere: what runs today, what it starts from, constant pins, the future known. */
export const RIVALS = 'vllm-fcfs,continuum,static-ttl:ttl=120s,infinite-pin,clairvoyant,holdfast';
export const AUTONOMOUS = `${AGENTCGROUP} --load 0.3,0.5,0.8,0.95,1.2 --policies ${RIVALS}`;
export const PEOPLE_CAPPED = `${WEKA} --load 0.3,0.5,0.8,0.95,1.2,1.5 --policies ${RIVALS}`;

/** Job completion time over load. */
export const loadSection: Section = {
  name: 'load',
  title: 'Job completion time over load',
  compares: { agentcgroup: AUTONOMOUS, weka: PEOPLE_CAPPED },
  write: ({ cells }) =>
    [
      'Mean job completion time in seconds, of all seeds; in brackets the program that took longest in any of them. Gaps are cut',
      'at 120 s. `clairvoyant` knows every gap and the work left, but has no admission rule: a rival with perfect knowledge, no',
      'bound of what is possible.',
      '',
      '![Mean job completion time over load on agentcgroup](policy-load.svg)',
      '',
      'agentcgroup on an H100 with an 8B model:',
      '',
      jctTable(cells('agentcgroup')),
      '',
      'weka on four H100 with a 70B model:',
      '',
      jctTable(cells('weka')),
    ].join('\n'),
  draw: (found) => picture(found),
};

const SHOWN = ['vllm-fcfs', 'continuum', 'infinite-pin', 'clairvoyant', 'holdfast'];

interface Point {
  readonly policy: string;
  readonly load: number;
  readonly seconds: number;
}

const points = (cells: Cells): readonly Point[] =>
  SHOWN.flatMap((policy) => cells.loads.map((load) => ({ policy, load, seconds: cells.mean(policy, load) })));

const picture = ({ cells }: Found): Picture => {
  const all = points(cells('agentcgroup'));
  const largest = Math.max(...all.map(({ load }) => load));
  const svg = draw({
    height: 300,
    marginLeft: 52,
    marginRight: 84,
    // A picture of its own, on light pages and on dark ones.
    style: { fontSize: '12px', background: 'white', color: 'black' },
    x: { label: 'load', labelAnchor: 'center', ticks: [...new Set(all.map(({ load }) => load))], tickFormat: String },
    y: { type: 'log', label: 'mean job completion time, s', grid: true, ticks: 5, tickFormat: String },
    color: { type: 'categorical', ...colourScale(SHOWN) },
    marks: [
      Plot.lineY(all, { x: 'load', y: 'seconds', z: 'policy', stroke: 'policy', strokeWidth: 1.8 }),
      Plot.dot(all, { x: 'load', y: 'seconds', fill: 'policy', r: 3 }),
      Plot.text(
        all.filter(({ load }) => load === largest),
        { x: 'load', y: 'seconds', text: 'policy', fill: 'policy', textAnchor: 'start', dx: 8 },
      ),
    ],
  });
  return { file: 'policy-load.svg', svg: svg.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ') };
};
