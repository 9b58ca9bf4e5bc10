import { seconds } from '../model/units.js';
import { EXPECTED_GROWTH_DEFAULTS, expectedGrowthAdmission } from './admission/expected-growth.js';
import { pinnedFirstProgramFcfs } from './ordering/pinned-first-program-fcfs.js';
import type { ParameterReader } from './parameters.js';
import type { PolicyProfile } from './registry.js';
import { ELASTIC_DEFAULTS, elasticRetention } from './retention/elastic.js';
import { fixedTtlRetention } from './retention/fixed-ttl.js';
import { neverRetention } from './retention/never.js';

const WIDE = { minimum: 0, maximum: 1_000_000 };

export const readHoldfast = (parameters: ParameterReader): Omit<PolicyProfile, 'name' | 'tickEvery'> => {
  const retention = elasticRetention({
    ...ELASTIC_DEFAULTS,
    theta: parameters.number('theta', ELASTIC_DEFAULTS.theta, WIDE),
    letGo: parameters.number('letGo', ELASTIC_DEFAULTS.letGo, WIDE),
    residentFactor: parameters.number('residentFactor', ELASTIC_DEFAULTS.residentFactor, WIDE),
  });
  const residentGrowth = parameters.number('growth', EXPECTED_GROWTH_DEFAULTS.residentGrowth, WIDE);
  const fill = parameters.number('fill', EXPECTED_GROWTH_DEFAULTS.fill, WIDE);
  const pins = parameters.choice('pins', 'elastic', ['elastic', 'infinite', 'never']);
  return {
    ordering: pinnedFirstProgramFcfs,
    retention: pins === 'elastic' ? retention : pins === 'never' ? neverRetention : fixedTtlRetention(seconds(1e6)),
    ...(fill === 0 ? {} : { admission: expectedGrowthAdmission({ residentGrowth, fill }) }),
  };
};
