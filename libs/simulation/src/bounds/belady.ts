import { parsePolicy, prefillSeconds, seconds, toSeconds, type PolicyProfile } from '@holdfast/scheduling';
import type { Foreknowledge } from './policy-setup.js';
import { trueFuture } from './true-future.js';

/** How often the values of idle contexts are brought up to date. */
const REVALUED_EVERY = seconds(1);
const MARGIN_SECONDS = 1;
/** A next use nearer than this counts as this near. */
const NEAREST_USE_SECONDS = 0.01;

/**
 * Pure. Belady's rule by cost: programs in order of arrival; every idle context may be evicted, and the one goes first
 * that costs the least computing per token and second until its true next use.
 */
export const beladyProfile = ({ arrivals, profile, totalBlocks }: Foreknowledge): PolicyProfile => {
  const future = trueFuture(arrivals, { prefill: profile.prefillCost, step: profile.stepTime });
  const poolTokens = totalBlocks * profile.blockTokens;
  return {
    name: 'belady',
    tickEvery: REVALUED_EVERY,
    ordering: parsePolicy('program-fcfs').ordering,
    retention: {
      type: 'retention.belady',
      tickEvery: REVALUED_EVERY,
      holdsWhileWaiting: true,
      initialState: () => null,
      observe: () => undefined,
      choose: (_state, { moment, program, contextTokens, elapsed }) => {
        const turn = program.turnsFinished - (moment === 'dispatch' ? 0 : 1);
        const gap = future.gapSeconds(program.programId, turn) ?? 0;
        const nextUseSeconds = Math.max(NEAREST_USE_SECONDS, gap - toSeconds(elapsed));
        const rebuildSeconds = prefillSeconds(profile.prefillCost, contextTokens);
        const value = rebuildSeconds / ((contextTokens / poolTokens) * nextUseSeconds);
        return {
          terms: { ttl: seconds(nextUseSeconds + MARGIN_SECONDS), soft: true, value },
          reason: 'evictable, in order of what it costs to lose it',
          inputs: { nextUseSeconds, rebuildSeconds, value },
        };
      },
    },
  };
};
