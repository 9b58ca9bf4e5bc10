import { fixedOrdering } from './ordering-policy.js';

/** vLLM's default: turns in order of their own arrival, whatever program they belong to. */
export const turnFcfs = fixedOrdering('ordering.turn-fcfs', (view) => view.turn.submittedAt);
