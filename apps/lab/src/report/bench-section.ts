import type { CellResult } from '../cells/job.js';
import { ratio } from '../output/comparison-table.js';
import type { SettingFigures } from '../statistics/comparison.js';
import type { BenchView } from './bench-view.js';
import { loadCurve, partsChart, shortNumber, spreadChart } from './charts.js';
import { closeUpSection } from './close-up-section.js';
import { colourScale, legend } from './draw.js';
import { escapeHtml, figure, htmlTable } from './html.js';

const LEAST_SECONDS = 0.001;

/** Pure. The chapter of one trace on one pool. */
export const benchSection = (view: BenchView): string => {
  const curves = [
    figure('Mean JCT over load, s', loadCurve(view, { label: 'mean JCT, s', pick: ({ row }) => row.jctSeconds.mean })),
    figure(
      'Mean TTFT over load, s',
      loadCurve(view, {
        label: 'mean TTFT, s',
        pick: ({ row }) => Math.max(LEAST_SECONDS, row.ttftSeconds.mean),
      }),
    ),
  ];
  return [
    `<h2>${escapeHtml(view.title)}</h2>`,
    legend(colourScale(view.policies)),
    view.loads.length > 1 ? `<div class="grid">${curves.join('')}</div>` : '',
    ...view.settings.map((figures) => loadSection(view, figures)),
    closeUpSection(view),
  ].join('\n');
};

const TOKEN_PARTS = [
  ['cached', '#3ca951', ({ row }: CellResult) => row.cachedTokens],
  [
    'computed once',
    '#4269d0',
    ({ row }: CellResult) => Math.max(0, row.promptTokens - row.cachedTokens - row.recomputedTokens),
  ],
  ['computed again', '#d9534f', ({ row }: CellResult) => row.recomputedTokens],
] as const;

const PIN_PARTS = [
  ['hit', '#3ca951', ({ detail }: CellResult) => detail.pinOutcomes.hit],
  ['expired', '#e5a03c', ({ detail }: CellResult) => detail.pinOutcomes.expired],
  ['revoked', '#d9534f', ({ detail }: CellResult) => detail.pinOutcomes.revoked],
  ['released', '#9aa0a8', ({ detail }: CellResult) => detail.pinOutcomes.released + detail.pinOutcomes.open],
] as const;

const partsLegend = (parts: readonly (readonly [string, string, unknown])[]): string =>
  legend({ domain: parts.map(([name]) => name), range: parts.map(([, colour]) => colour) });

const loadSection = (view: BenchView, figures: SettingFigures): string => {
  const { load } = figures.setting;
  const charts = [
    figure(
      'JCT, s',
      spreadChart(view, load, { label: 'JCT, s', least: LEAST_SECONDS, pick: ({ detail }) => detail.jctSeconds }),
      '5th to 95th percentile, half of the programs in the thick part, ring: mean',
    ),
    figure(
      'TTFT, s',
      spreadChart(view, load, { label: 'TTFT, s', least: LEAST_SECONDS, pick: ({ detail }) => detail.ttftPercentiles }),
      'of all turns',
    ),
    figure('Prompt tokens', partsLegend(TOKEN_PARTS) + partsChart(view, load, { label: 'tokens', parts: TOKEN_PARTS })),
    figure('Pins by outcome', partsLegend(PIN_PARTS) + partsChart(view, load, { label: 'pins', parts: PIN_PARTS })),
  ];
  return `<h3>Load ${load}</h3>${figuresTable(figures)}<div class="grid">${charts.join('')}</div>`;
};

const figuresTable = ({ policies }: SettingFigures): string => {
  const constant = policies[0]!.againstBestConstant?.constant;
  const head = [
    'policy',
    'mean JCT s',
    `mean JCT over ${policies[0]!.policy}`,
    ...(constant === undefined ? [] : [`over the best constant in hindsight (${constant})`]),
    'unfinished',
  ];
  const rows = policies.map(({ policy, rows: own, meanJctSeconds, againstFirst, againstBestConstant }) => [
    policy,
    shortNumber(meanJctSeconds.value),
    ratio(againstFirst),
    ...(againstBestConstant === undefined ? [] : [ratio(againstBestConstant)]),
    String(own.reduce((sum, row) => sum + row.programs - row.finished, 0)),
  ]);
  return htmlTable(head, rows);
};
