import { fixedOrdering } from './ordering-policy.js';

/** Turns in order of the first arrival of their program (Continuum section 4.3, third key). */
export const programFcfs = fixedOrdering('ordering.program-fcfs', (view) => view.program.arrivedAt);
