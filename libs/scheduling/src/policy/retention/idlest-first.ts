import { seconds } from '../../model/units.js';
import { idlenessOf, observeIdleness, type IdlenessState } from '../idleness.js';
import type { RetentionPolicy } from './retention-policy.js';

/** 1,000 hours: only pressure takes these pins. */
const LONGER_THAN_ANY_PROGRAM = seconds(3_600_000);

/**
 * The eviction order of MORI (arXiv 2606.00866): what nobody asks for first, then the contexts of idle programs, then those
 * of busy ones. Every context is pinned softly, which takes memory from nobody, at the value 1 - idleness; what is not
 * pinned at all belongs to programs that have ended. The paper has two types of live programs instead of a scale.
 */
export const idlestFirstRetention: RetentionPolicy<IdlenessState> = {
  type: 'retention.idlest-first',
  tickEvery: seconds(5),
  holdsWhileWaiting: false,
  initialState: () => new Map(),
  observe: observeIdleness,
  choose: (state, { program, now }) => {
    const idleness = idlenessOf(state, program, now);
    return {
      terms: { ttl: LONGER_THAN_ANY_PROGRAM, soft: true, value: 1 - idleness },
      reason: 'overwritten after those of idler programs',
      inputs: { idleness },
    };
  },
};
