import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CellJob, CellResult } from '../cells/job.js';
import { Interrupted } from '../cli/exit.js';
import { openLaboratory, type Laboratory } from '../experiment/laboratory.js';
import { describeUnit, measureBenches } from '../experiment/load-units.js';
import { CELL_FOLDER, planCells } from '../experiment/plan-cells.js';
import type { CompareSettings } from '../experiment/settings.js';
import { writeSettings } from '../output/settings-file.js';
import type { Summary } from '../measure/summary-row.js';
import { comparisonTables } from '../output/comparison-table.js';
import type { ProgressDisplay } from '../output/progress.js';
import { concatenate, writeWhole } from '../output/write-files.js';
import { reportHtml } from '../report/report-html.js';
import { compareRows } from '../statistics/comparison.js';

export interface CommandIo {
  readonly output: NodeJS.WritableStream;
  readonly progress: ProgressDisplay;
  readonly signal: AbortSignal;
}

/** Runs every cell and compares the policies: a table, and files in the output folder if there is one. */
export const compare = async (settings: CompareSettings, io: CommandIo): Promise<Summary> => {
  const { out } = settings;
  const laboratory = await openLaboratory(settings, io);
  if (out !== null) {
    mkdirSync(join(out, CELL_FOLDER), { recursive: true });
    writeSettings(out, settings);
  }
  try {
    const benches = await measureBenches(laboratory, settings);
    const jobs = benches.flatMap((bench) => planCells(bench, settings));
    const cells = await laboratory.results(jobs);
    const summary: Summary = { schema: 'holdfast.lab.summary/v1', rows: cells.map(({ row }) => row) };
    io.progress.end();
    const units = benches.map((bench) => describeUnit({ ...bench, trace: bench.trace.name }));
    io.output.write(`${units.join('\n')}\n\n${comparisonTables(compareRows(summary.rows))}`);
    if (out !== null) await writeOut(out, { summary, cells, jobs, units });
    if (out !== null) io.output.write(`\nWritten: ${join(out, 'summary.json')}, ${join(out, 'report.html')}\n`);
    return summary;
  } catch (error) {
    throw error instanceof Interrupted && out !== null ? keptNote(out) : error;
  } finally {
    await closed(laboratory);
  }
};

const closed = (laboratory: Laboratory): Promise<void> => laboratory.close();

/** What an interrupted run leaves. */
export const keptNote = (out: string): Interrupted =>
  new Interrupted(
    `stopped; finished cells are kept in ${join(out, 'cells.jsonl')}, and the same command goes on from there`,
  );

interface Outcome {
  readonly summary: Summary;
  readonly cells: readonly CellResult[];
  readonly jobs: readonly CellJob[];
  readonly units: readonly string[];
}

const writeOut = async (out: string, { summary, cells, jobs, units }: Outcome): Promise<void> => {
  const decisions = jobs.flatMap(({ decisionsTo }) => (decisionsTo === undefined ? [] : [decisionsTo]));
  if (decisions.length > 0) await concatenate(decisions, join(out, 'decisions.jsonl'));
  writeWhole(join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  writeWhole(join(out, 'report.html'), reportHtml({ cells, units }));
};
