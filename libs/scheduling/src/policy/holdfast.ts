import { EXPECTED_GROWTH_DEFAULTS, expectedGrowthAdmission } from './admission/expected-growth.js';
import { pinnedFirstProgramFcfs } from './ordering/pinned-first-program-fcfs.js';
import type { ParameterReader } from './parameters.js';
import type { PolicyProfile } from './registry.js';
import { ELASTIC_DEFAULTS, elasticRetention } from './retention/elastic.js';
import { infinitePinRetention } from './retention/infinite-pin.js';
import { neverRetention } from './retention/never.js';

/**
 * Modifies `parameters` by reading them. Holdfast's own policy (docs/policy.md). `theta`, `growth`, `stretch` and
 * `hintStretch` are its numbers; `pins` and `admission` take one of its ingredients out, to see what it brings.
 */
export const readHoldfast = (parameters: ParameterReader): Omit<PolicyProfile, 'name' | 'tickEvery'> => {
  const theta = parameters.number('theta', ELASTIC_DEFAULTS.theta, { minimum: 0, maximum: 1_000 });
  const residentGrowth = parameters.number('growth', EXPECTED_GROWTH_DEFAULTS.residentGrowth, {
    minimum: 0,
    maximum: 1,
  });
  const stretch = parameters.number('stretch', EXPECTED_GROWTH_DEFAULTS.stretch, { minimum: 0, maximum: 1_000 });
  const hintStretch = parameters.number('hintStretch', EXPECTED_GROWTH_DEFAULTS.hintStretch, {
    minimum: 0,
    maximum: 1_000,
  });
  const host = parameters.choice('host', ELASTIC_DEFAULTS.host, ['ignored', 'counted']);
  const retention = {
    elastic: elasticRetention({ ...ELASTIC_DEFAULTS, theta, host }),
    infinite: infinitePinRetention,
    never: neverRetention,
  }[parameters.choice('pins', 'elastic', ['elastic', 'infinite', 'never'])];
  const hasAdmission = parameters.choice('admission', 'growth', ['growth', 'none']) === 'growth';
  return {
    ordering: pinnedFirstProgramFcfs,
    retention,
    ...(hasAdmission ? { admission: expectedGrowthAdmission({ residentGrowth, stretch, hintStretch }) } : {}),
  };
};
