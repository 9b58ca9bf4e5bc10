import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { CellJob } from '../cells/job.js';
import type { Bench } from './load-units.js';
import type { CompareSettings } from './settings.js';

/** Folder below the output one for files that belong to one cell. */
export const CELL_FOLDER = 'cells';

/** Pure. The load at which the report looks closely: the largest below saturation, else the smallest. */
export const closeUpLoad = (loads: readonly number[]): number => {
  const sorted = [...loads].sort((a, b) => a - b);
  return sorted.filter((load) => load < 1).at(-1) ?? sorted[0]!;
};

/** Pure. Every cell of a comparison, in the order of the summary. */
export const planCells = (bench: Bench, settings: CompareSettings): readonly CellJob[] =>
  settings.loads.flatMap((load) =>
    settings.policies.flatMap((policy) =>
      Array.from({ length: settings.seeds }, (_, index) =>
        withFiles(cellOf(bench, { policy, load, seed: index + 1 }), settings),
      ),
    ),
  );

/** Pure. */
export const cellOf = (
  { trace, pool, programs, arrival, disturbance, unitProgramsPerSecond }: Bench,
  { policy, load, seed }: { readonly policy: string; readonly load: number; readonly seed: number },
): CellJob => {
  const wrong = disturbance === null ? {} : { disturbance };
  return {
    kind: 'cell',
    trace: trace.name,
    pool,
    arrival,
    ...wrong,
    policy,
    load,
    seed,
    programs,
    unitProgramsPerSecond,
  };
};

const withFiles = (job: CellJob, settings: CompareSettings): CellJob => {
  const { out, loads, chosenProgram, writesDecisions, writesPerfetto } = settings;
  if (out === null) return job;
  const name = fileNameOf(job);
  const isClose = job.seed === 1 && job.load === closeUpLoad(loads);
  return {
    ...job,
    ...(isClose ? { closeUp: { programId: chosenProgram } } : {}),
    ...(writesDecisions ? { decisionsTo: join(out, CELL_FOLDER, `${name}.decisions.jsonl`) } : {}),
    ...(writesPerfetto ? { perfettoTo: join(out, CELL_FOLDER, `${name}.perfetto.json`) } : {}),
  };
};

const fileNameOf = (job: CellJob): string => {
  const { trace, pool, policy, load, seed } = job;
  const text = `${trace}-${pool.engine}-x${pool.engines}-${policy}-load${load}-seed${seed}`;
  const digest = createHash('sha256').update(JSON.stringify(job)).digest('hex').slice(0, 6);
  return `${text.replace(/[^\w.-]+/g, '_')}-${digest}`;
};
