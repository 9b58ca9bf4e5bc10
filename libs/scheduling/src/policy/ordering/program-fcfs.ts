import type { OrderingPolicy } from './ordering-policy.js';

/** Turns in order of the first arrival of their program (Continuum section 4.3, third key). */
export const programFcfs: OrderingPolicy = {
  type: 'ordering.program-fcfs',
  rank: (view) => view.programArrivedAt,
};
