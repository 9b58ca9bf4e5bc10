import { parsePolicy, type Instant } from '@holdfast/scheduling';
import {
  backlogThroughput,
  createPool,
  infinitePinSpec,
  planBacklog,
  recordedRate,
  simulate,
  type RecordedProgram,
} from '@holdfast/simulation';
import type { Job, JobResult, LoadUnitJob, LoadUnitResult, ShareDone } from './job.js';
import { DISPATCH_WINDOW, poolOptions } from './pool-options.js';
import { reportShare } from './report-share.js';
import { runCell } from './run-cell.js';

/** The seed of the backlog: load 1.0 is one number for all seeds. */
const BACKLOG_SEED = 0;
/** A backlog of fewer programs is a poor measure. */
const SMALLEST_BACKLOG = 100;

/** Programs of each trace, by its name. */
export type Traces = ReadonlyMap<string, readonly RecordedProgram[]>;

/** Runs one job to its end. Writes the files that it names, and nothing else. */
export const runJob = (job: Job, traces: Traces, done: ShareDone): JobResult => {
  const programs = traces.get(job.trace);
  if (programs === undefined) throw new Error(`trace "${job.trace}" was not loaded`);
  return job.kind === 'cell' ? runCell(job, programs, done) : measureLoadUnit(job, programs, done);
};

const measureLoadUnit = (job: LoadUnitJob, programs: readonly RecordedProgram[], done: ShareDone): LoadUnitResult => {
  const count = Math.max(job.programs, SMALLEST_BACKLOG);
  const completions: Instant[] = [];
  simulate({
    profile: parsePolicy(infinitePinSpec()),
    engines: createPool({ ...poolOptions(job.pool), abilities: 'full', hostKvScale: 0 }),
    arrivals: planBacklog({ programs, count, seed: BACKLOG_SEED }),
    dispatchWindow: DISPATCH_WINDOW,
    observer: {
      programFinished: ({ finishedAt }) => {
        completions.push(finishedAt);
        reportShare(completions.length, count, done);
      },
    },
  });
  const isTimed = programs.length > 1 && programs.every(({ arrivedAt }) => arrivedAt !== undefined);
  return {
    kind: 'load-unit',
    programsPerSecond: backlogThroughput(completions),
    recordedPerSecond: isTimed ? recordedRate(programs) : null,
  };
};
