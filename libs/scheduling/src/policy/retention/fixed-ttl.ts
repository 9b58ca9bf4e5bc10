import type { Duration } from '../../model/units.js';
import { toSeconds } from '../../model/units.js';
import { unyieldingValue, type RetentionPolicy } from './retention-policy.js';

/** Pins every context for the same time, whatever the tool: Continuum's ablation arm "static TTL" (figure 16). */
export const fixedTtlRetention = (ttl: Duration): RetentionPolicy<null> => ({
  type: 'retention.fixed-ttl',
  holdsWhileWaiting: true,
  initialState: () => null,
  observe: () => undefined,
  choose: (_state, view) => ({
    terms: { ttl, soft: false, value: unyieldingValue(view.program.arrivedAt) },
    reason: 'every context is held for the same time',
    inputs: { ttlSeconds: toSeconds(ttl), contextTokens: view.contextTokens },
  }),
});
