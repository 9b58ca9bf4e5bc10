import { prefillSeconds, seconds, toSeconds, type PolicyProfile } from '@holdfast/scheduling';
import type { Foreknowledge } from './policy-setup.js';
import { trueFuture } from './true-future.js';

/** Added to the rank of turns whose context is not held, so that nobody is evicted to let someone rebuild. */
const UNPINNED_OFFSET = 2 ** 51;
/** Beyond the gap itself: the next turn is submitted at its very end. */
const MARGIN_SECONDS = 1;

/**
 * Pure. The clairvoyant bound: among held contexts first, then among the rest, the program with the least true remaining
 * work goes first (SRPT); a context is held over its gap, whose length is known, if holding its share of the memory for
 * that long costs less than computing it again: `gap * tokens / pool < prefill(tokens)`. Under pressure the program with
 * the most work left gives way first.
 */
export const clairvoyantProfile = ({ arrivals, profile, totalBlocks }: Foreknowledge): PolicyProfile => {
  const future = trueFuture(arrivals, { prefill: profile.prefillCost, step: profile.stepTime });
  const poolTokens = totalBlocks * profile.blockTokens;
  return {
    name: 'clairvoyant',
    ordering: {
      type: 'ordering.clairvoyant-srpt',
      initialState: () => null,
      observe: () => undefined,
      rank: (_state, { program, turn, isPinned }) =>
        Math.round(future.remainingSeconds(program.programId, turn.index) * 1e6) + (isPinned ? 0 : UNPINNED_OFFSET),
    },
    retention: {
      type: 'retention.clairvoyant-hold',
      holdsWhileWaiting: true,
      initialState: () => null,
      observe: () => undefined,
      choose: (_state, { moment, program, contextTokens, elapsed }) => {
        const next = program.turnsFinished + (moment === 'dispatch' ? 1 : 0);
        const gap = future.gapSeconds(program.programId, next - 1) ?? 0;
        const leftSeconds = Math.max(0, gap - toSeconds(elapsed));
        const rebuildSeconds = prefillSeconds(profile.prefillCost, contextTokens);
        const holdingCostSeconds = (leftSeconds * contextTokens) / poolTokens;
        const inputs = { gapSeconds: gap, rebuildSeconds, holdingCostSeconds };
        if (holdingCostSeconds >= rebuildSeconds) {
          return { terms: null, reason: 'the gap costs more memory than computing it again', inputs };
        }
        const value = 1e16 - future.remainingSeconds(program.programId, next) * 1e6;
        const terms = { ttl: seconds(leftSeconds + MARGIN_SECONDS), soft: false, value };
        return { terms, reason: 'held for exactly as long as the gap', inputs };
      },
    },
  };
};
