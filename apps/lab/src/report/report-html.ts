import type { CellResult } from '../cells/job.js';
import { benchSection } from './bench-section.js';
import { benchViews } from './bench-view.js';
import { htmlPage } from './html-page.js';
import { escapeHtml } from './html.js';

/** Pure. The whole report as one HTML file that needs nothing else. */
export const reportHtml = (report: {
  readonly cells: readonly CellResult[];
  readonly units: readonly string[];
}): string => {
  const chapters = benchViews(report.cells).map(benchSection);
  const units = report.units.map((unit) => `<li>${escapeHtml(unit)}</li>`).join('');
  return htmlPage({
    title: 'Holdfast lab: policies compared',
    body: `<h1>Policies compared</h1>
<p>Programs are recorded, engines are simulated. JCT: from a program's submission to its end. TTFT: from a turn's submission to
its first token. Ratios are of mean JCT, paired by seed; intervals are 95 % bootstrap intervals over seeds, and one that
holds 1 is no difference.</p><ul>${units}</ul>
${chapters.join('\n')}`,
  });
};
