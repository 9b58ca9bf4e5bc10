import { setMaxListeners } from 'node:events';
import type { PlannedProgram } from '../workload/plan-workload.js';
import { replayProgram, type ReplayedProgram, type ReplayOptions } from './replay-program.js';

/** Runs all programs of a workload. The first failure cancels the rest and is thrown. */
export const replayWorkload = async (
  workload: readonly PlannedProgram[],
  options: ReplayOptions,
): Promise<readonly ReplayedProgram[]> => {
  const abort = new AbortController();
  const signal = AbortSignal.any([options.signal, abort.signal]);
  setMaxListeners(0, signal);
  const runs = workload.map(async (planned) => {
    try {
      return await replayProgram(planned, { ...options, signal });
    } catch (error) {
      abort.abort(error);
      throw error;
    }
  });
  // Every program has let go of the service before the caller stops it.
  const outcomes = await Promise.allSettled(runs);
  signal.throwIfAborted();
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
};
