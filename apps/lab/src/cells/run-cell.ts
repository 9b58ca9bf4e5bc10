import {
  createPool,
  parseDisturbance,
  planArrivals,
  planRecordedArrivals,
  policySetup,
  poolBlocks,
  simulate,
  withSizeHints,
  type Arrival,
  type RecordedProgram,
} from '@holdfast/simulation';
import { CellRecorder } from '../measure/cell-recorder.js';
import { CloseUpRecorder } from '../measure/close-up.js';
import { chooseProgram } from '../measure/choose-program.js';
import { DecisionFile } from '../measure/decision-file.js';
import { PerfettoFile } from '../measure/perfetto-file.js';
import type { ArrivalChoice, CellJob, CellResult, ShareDone } from './job.js';
import { DISPATCH_WINDOW, poolOptions } from './pool-options.js';
import { reportShare } from './report-share.js';

/** Enough for every context there is. */
const INFINITE_KV_SCALE = 1e9;

/** Runs one cell: the same arrivals for every policy. Writes the files that the job names. */
export const runCell = (job: CellJob, programs: readonly RecordedProgram[], done: ShareDone): CellResult => {
  const setup = policySetup(job.policy);
  const disturbance = job.disturbance === undefined ? undefined : parseDisturbance(job.disturbance);
  const planned = arrivalsOf(job, programs);
  const arrivals = setup.arrange(disturbance?.arrange(planned, job.seed) ?? planned);
  const real = poolOptions(job.pool);
  const pool = setup.memory === 'infinite' ? { ...real, kvScale: INFINITE_KV_SCALE } : real;
  const policy = setup.profileFor({ arrivals, profile: pool.profile, totalBlocks: poolBlocks(pool) });
  const { recorder, decisions, perfetto } = recorders(job, arrivals);
  const result = simulate({
    profile: disturbance?.misinform(policy) ?? policy,
    engines: createPool(pool),
    arrivals,
    dispatchWindow: DISPATCH_WINDOW,
    observer: {
      pin: (engineId, event, now) => recorder.pins.take(engineId, event, now),
      turnFinished: (turn) => recorder.turn(turn),
      programFinished: (program) => {
        recorder.program(program);
        reportShare(recorder.finishedPrograms, arrivals.length, done);
      },
      ...(decisions === null && job.closeUp === undefined
        ? {}
        : {
            decision: (decision) => {
              decisions?.decision(decision);
              recorder.closeUp?.decision(decision);
            },
            resolved: (id, outcome, now) => decisions?.resolved(id, outcome, now),
          }),
    },
  });
  recorder.pins.close(result.endedAt);
  decisions?.write();
  perfetto?.write();
  return recorder.finish(job, {
    result,
    kvBytesPerToken: pool.profile.kvBytesPerToken,
    poolTokens: poolBlocks(real) * pool.profile.blockTokens * job.pool.engines,
  });
};

const arrivalsOf = (job: CellJob, programs: readonly RecordedProgram[]): readonly Arrival[] => {
  const { seed, arrival } = job;
  const plan = arrival.arrivals === 'trace' ? planRecordedArrivals : planArrivals;
  const ratePerSecond = job.load * job.unitProgramsPerSecond;
  const planned = plan({ programs, count: job.programs, ratePerSecond, seed, ...batchOf(arrival) });
  return arrival.sizeHintSigma === null ? planned : withSizeHints(planned, { sigma: arrival.sizeHintSigma, seed });
};

const batchOf = ({ batch }: ArrivalChoice): { readonly batch?: number } => (batch === undefined ? {} : { batch });

const recorders = (
  job: CellJob,
  arrivals: readonly Arrival[],
): {
  readonly recorder: CellRecorder;
  readonly decisions: DecisionFile | null;
  readonly perfetto: PerfettoFile | null;
} => {
  const decisions = job.decisionsTo === undefined ? null : new DecisionFile(job.decisionsTo, job);
  const perfetto = job.perfettoTo === undefined ? null : new PerfettoFile(job.perfettoTo, arrivals);
  const chosen = job.closeUp === undefined ? null : (job.closeUp.programId ?? chooseProgram(arrivals));
  const closeUp = chosen === null ? null : new CloseUpRecorder(chosen);
  return { recorder: new CellRecorder(arrivals, { closeUp, perfetto }), decisions, perfetto };
};
