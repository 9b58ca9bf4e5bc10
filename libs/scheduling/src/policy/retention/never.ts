import type { RetentionPolicy } from './retention-policy.js';

/** Keeps nothing on purpose: what stays in the prefix cache is luck, as in a stock engine. */
export const neverRetention: RetentionPolicy<null> = {
  type: 'retention.never',
  holdsWhileWaiting: false,
  initialState: () => null,
  observe: () => undefined,
  choose: () => ({ terms: null, reason: 'the policy never pins', inputs: {} }),
};
