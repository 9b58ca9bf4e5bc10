import { fixedOrdering } from './ordering-policy.js';

/**
 * Added to the rank of programs without a pin. Above every arrival in microseconds before the year 2041, and the sum
 * stays a safe integer.
 */
const UNPINNED_OFFSET = 2 ** 51;

/**
 * Programs with a live pin first, then by first arrival of the program: the second and third key of Continuum's
 * priority tuple (arXiv 2511.02230 v6, section 5.2). The first key, preempted requests, is the engine's own rule.
 */
export const pinnedFirstProgramFcfs = fixedOrdering('ordering.pinned-first-program-fcfs', ({ program, isPinned }) =>
  isPinned ? program.arrivedAt : program.arrivedAt + UNPINNED_OFFSET,
);
