import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { Interrupted } from '../cli/exit.js';
import { openLaboratory, type Laboratory } from '../experiment/laboratory.js';
import { describeUnit, measureBenches, type Bench } from '../experiment/load-units.js';
import { cellOf } from '../experiment/plan-cells.js';
import type { ExperimentSettings } from '../experiment/settings.js';
import { writeSettings } from '../output/settings-file.js';
import { writeWhole } from '../output/write-files.js';
import { keptNote, type CommandIo } from './compare.js';

/** A row of `knee.json`. */
export interface KneeRow {
  readonly trace: string;
  readonly engine: string;
  readonly engines: number;
  readonly policy: string;
  /** Largest load whose mean JCT is at most `JCT_FACTOR` times that at load 0.2. */
  readonly sustainableLoad: number;
  /** Arrivals per hour at that load. */
  readonly programsPerHour: number;
  /** Mean JCT at each load that was tried, over all seeds. */
  readonly meanJctSeconds: readonly { readonly load: number; readonly seconds: number }[];
}

const BASE_LOAD_STEPS = 4;
const GRID = 0.05;
const JCT_FACTOR = 1.5;
/** A load beyond twice the capacity is no load to sustain. */
const LAST_STEP = 40;
/** One bad draw past the knee is no knee: so many loads in a row must fail. */
const FAILURES_TO_STOP = 2;

/** Finds the sustainable rate of each policy. */
export const knee = async (settings: ExperimentSettings, io: CommandIo): Promise<readonly KneeRow[]> => {
  const { out } = settings;
  const laboratory = await openLaboratory(settings, io);
  if (out !== null) {
    mkdirSync(out, { recursive: true });
    writeSettings(out, settings);
  }
  try {
    const benches = await measureBenches(laboratory, settings);
    const searches = benches.flatMap((bench) => settings.policies.map((policy) => ({ bench, policy })));
    const rows = await Promise.all(searches.map((search) => searchKnee(laboratory, search, settings.seeds)));
    io.progress.end();
    io.output.write(
      `${benches.map((bench) => describeUnit({ ...bench, trace: bench.trace.name })).join('\n')}\n\n${kneeTable(rows)}\n`,
    );
    if (out !== null) writeWhole(join(out, 'knee.json'), `${JSON.stringify({ rows }, null, 2)}\n`);
    return rows;
  } catch (error) {
    throw error instanceof Interrupted && out !== null ? keptNote(out) : error;
  } finally {
    await laboratory.close();
  }
};

const loadAt = (step: number): number => Math.round(step * GRID * 100) / 100;

const searchKnee = async (
  laboratory: Laboratory,
  { bench, policy }: { readonly bench: Bench; readonly policy: string },
  seeds: number,
): Promise<KneeRow> => {
  const tried: { load: number; seconds: number }[] = [];
  const meanJct = async (load: number): Promise<number> => {
    const jobs = Array.from({ length: seeds }, (_, index) => cellOf(bench, { policy, load, seed: index + 1 }));
    const cells = await laboratory.results(jobs);
    const seconds = cells.reduce((sum, { row }) => sum + row.jctSeconds.mean, 0) / seeds;
    tried.push({ load, seconds });
    return seconds;
  };
  const limit = JCT_FACTOR * (await meanJct(loadAt(BASE_LOAD_STEPS)));
  let sustainableLoad = loadAt(BASE_LOAD_STEPS);
  let failures = 0;
  for (let step = BASE_LOAD_STEPS + 1; step <= LAST_STEP && failures < FAILURES_TO_STOP; step += 1) {
    const isSustained = (await meanJct(loadAt(step))) <= limit;
    if (isSustained) sustainableLoad = loadAt(step);
    failures = isSustained ? 0 : failures + 1;
  }
  return {
    trace: bench.trace.name,
    engine: bench.pool.engine,
    engines: bench.pool.engines,
    policy,
    sustainableLoad,
    programsPerHour: Math.round(sustainableLoad * bench.unitProgramsPerSecond * 3_600 * 100) / 100,
    meanJctSeconds: tried,
  };
};

const kneeTable = (rows: readonly KneeRow[]): string => {
  const table = new Table({
    head: ['trace', 'engine', 'policy', 'sustainable load', 'programs/h', 'mean JCT at 0.2, s'],
    colAligns: ['left', 'left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { trace, engine, engines, policy, sustainableLoad, programsPerHour, meanJctSeconds } of rows) {
    const base = meanJctSeconds[0]!.seconds.toFixed(1);
    table.push([trace, `${engines} x ${engine}`, policy, sustainableLoad.toFixed(2), programsPerHour.toFixed(1), base]);
  }
  return table.toString();
};
