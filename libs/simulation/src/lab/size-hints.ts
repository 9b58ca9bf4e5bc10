import { RandomStreams } from '../random-streams.js';
import type { Arrival, RecordedProgram } from './workload.js';

/**
 * Pure. The same arrivals, each with what a client may say of its size: the truth times `exp(sigma * z)`, z standard
 * normal, one draw a program for turns and tokens. A median client is right; sigma 1 is within 2x half of the time.
 *
 * @param sigma - from 0, where every client knows.
 */
export const withSizeHints = (
  arrivals: readonly Arrival[],
  { sigma, seed }: { readonly sigma: number; readonly seed: number },
): readonly Arrival[] => {
  const stream = new RandomStreams(seed).stream('size hints');
  return arrivals.map((arrival) => {
    const error = stream.lognormal(0, sigma);
    const { turns } = arrival.program;
    const sizeHint = {
      expectedTurns: Math.max(1, Math.round(turns.length * error)),
      expectedTokens: Math.max(1, Math.round(computedTokens(turns) * error)),
    };
    return { ...arrival, sizeHint };
  });
};

/** Tokens that must be computed if no context is ever lost. */
const computedTokens = (turns: RecordedProgram['turns']): number =>
  turns.reduce(
    (sum, { promptTokens, sharedTokens, outputTokens }) => sum + promptTokens - sharedTokens + outputTokens,
    0,
  );
