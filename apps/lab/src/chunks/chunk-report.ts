import * as Plot from '@observablehq/plot';
import { colourScale, draw, legend } from '../report/draw.js';
import { escapeHtml, figure, htmlTable } from '../report/html.js';
import { htmlPage } from '../report/html-page.js';
import { groupCells, groups, lineName } from './chunk-tables.js';
import type { ChunkRow } from './compare-rows.js';

const TITLES: Readonly<Record<ChunkRow['measure'], string>> = {
  hits: 'Chunk tokens found, one copy of each chunk',
  work: 'Chunk tokens computed or recomputed',
};

/** Pure. The comparison as one HTML file that needs nothing else. */
export const chunkReportHtml = (rows: readonly ChunkRow[], command: string): string =>
  htmlPage({
    title: 'Holdfast lab: chunk caches compared',
    body: `<h1>Chunk caches compared</h1>
<p>${escapeHtml(command)}</p>
<p>Capacities are shares of the tokens of all chunks, each counted once. In brackets: first and second half of the requests.
<b>belady</b> knows the future and may keep parts of chunks; <b>infinite</b> has room for everything.</p>
${groups(rows).map(groupSection).join('\n')}`,
  });

const groupSection = (rows: readonly ChunkRow[]): string => {
  const { trace, measure } = rows[0]!;
  const { head, body } = groupCells(rows);
  const scale = colourScale([...new Set(rows.filter(isBounded).map(lineName))]);
  return [
    `<h2>${escapeHtml(TITLES[measure])}: ${escapeHtml(trace)}</h2>`,
    legend(scale),
    `<div class="grid">${figure(`${TITLES[measure]}, % of tokens, over capacity`, chart(rows, scale))}</div>`,
    htmlTable(head, body),
  ].join('\n');
};

const isBounded = (row: ChunkRow): row is ChunkRow & { readonly capacityShare: number } => row.capacityShare !== null;

const chart = (rows: readonly ChunkRow[], scale: ReturnType<typeof colourScale>): string => {
  const points = rows.filter(isBounded).map((row) => ({
    line: lineName(row),
    capacity: 100 * row.capacityShare,
    share: 100 * row.share.whole,
  }));
  const capacities = [...new Set(points.map(({ capacity }) => capacity))];
  const unbounded = rows.filter((row) => !isBounded(row)).map(({ share }) => 100 * share.whole);
  return draw({
    height: 340,
    marginLeft: 48,
    x: {
      type: 'log',
      label: 'capacity, % of unique chunk tokens',
      labelAnchor: 'center',
      ticks: capacities,
      tickFormat: (capacity: number) => String(capacity),
      inset: 8,
    },
    y: { label: '% of tokens', grid: true, nice: true },
    color: { type: 'categorical', ...scale },
    marks: [
      Plot.ruleY(unbounded, { strokeDasharray: '4 3', stroke: 'currentColor' }),
      Plot.lineY(points, { x: 'capacity', y: 'share', stroke: 'line', strokeWidth: 1.6 }),
      Plot.dot(points, {
        x: 'capacity',
        y: 'share',
        fill: 'line',
        r: 3,
        title: ({ line, capacity, share }: (typeof points)[number]) =>
          `${line} at ${capacity} %: ${share.toFixed(1)} %`,
      }),
    ],
  });
};
