import type { OrderingPolicy } from './ordering-policy.js';

/** vLLM's default: turns in order of their own arrival, whatever program they belong to. */
export const turnFcfs: OrderingPolicy = {
  type: 'ordering.turn-fcfs',
  rank: (view) => view.turnSubmittedAt,
};
