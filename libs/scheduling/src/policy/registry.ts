import { micros, millis, seconds, type Duration } from '../model/units.js';
import { ParameterReader, PolicySpecError } from './parameters.js';
import type { AdmissionPolicy } from './admission/admission-policy.js';
import type { OrderingPolicy } from './ordering/ordering-policy.js';
import { pinnedFirstProgramFcfs } from './ordering/pinned-first-program-fcfs.js';
import { programFcfs } from './ordering/program-fcfs.js';
import { turnFcfs } from './ordering/turn-fcfs.js';
import { CONTINUUM_DEFAULTS, continuumRetention } from './retention/continuum.js';
import { fixedTtlRetention } from './retention/fixed-ttl.js';
import { neverRetention } from './retention/never.js';
import type { RetentionPolicy } from './retention/retention-policy.js';

/** A named selection of policies, one of each family. */
export interface PolicyProfile {
  /** As it was asked for, parameters included. */
  readonly name: string;
  readonly ordering: OrderingPolicy;
  readonly retention: RetentionPolicy;
  /** Absent: every turn competes at once. */
  readonly admission?: AdmissionPolicy;
  /** Shortest interval at which one of them wants to look again. */
  readonly tickEvery?: Duration;
}

interface RegistryEntry {
  /** One line for people. */
  readonly summary: string;
  readonly create: (parameters: ParameterReader) => Omit<PolicyProfile, 'name' | 'tickEvery'>;
}

/** Every policy profile. Adding one: its file, its spec, one line here. */
const REGISTRY: Readonly<Record<string, RegistryEntry>> = {
  'vllm-fcfs': {
    summary: 'turns in order of arrival, nothing pinned: a stock engine behind sticky sessions',
    create: () => ({ ordering: turnFcfs, retention: neverRetention }),
  },
  'program-fcfs': {
    summary: 'programs in order of first arrival, nothing pinned',
    create: () => ({ ordering: programFcfs, retention: neverRetention }),
  },
  'static-ttl': {
    summary: 'programs in order of first arrival, every context pinned for `ttl` (2s)',
    create: (parameters) => ({
      ordering: programFcfs,
      retention: fixedTtlRetention(parameters.duration('ttl', seconds(2), millis(1))),
    }),
  },
  continuum: {
    summary: 'Continuum (arXiv 2511.02230 v6): TTL by expected benefit, pinned programs first, then by first arrival',
    create: (parameters) => ({
      ordering: pinnedFirstProgramFcfs,
      retention: continuumRetention({
        coldSamples: parameters.integer('coldSamples', CONTINUUM_DEFAULTS.coldSamples, {
          minimum: 0,
          maximum: 100_000,
        }),
        coldStart: parameters.choice('coldStart', CONTINUUM_DEFAULTS.coldStart, ['fixed', 'ln-b']),
        handoff: parameters.duration('handoff', CONTINUUM_DEFAULTS.handoff, millis(1)),
        window: parameters.integer('window', CONTINUUM_DEFAULTS.window, { minimum: 10, maximum: 100_000 }),
      }),
    }),
  },
};

/** Pure. Names and summaries of all profiles, in order of the registry. */
export const policyNames = (): readonly { readonly name: string; readonly summary: string }[] =>
  Object.entries(REGISTRY).map(([name, { summary }]) => ({ name, summary }));

/**
 * Pure. Reads `name` or `name:parameter=value:parameter=value`, e.g. `static-ttl:ttl=120s`.
 *
 * @throws PolicySpecError that names the part, its value and what is allowed.
 */
export const parsePolicy = (spec: string): PolicyProfile => {
  const [name = '', ...pairs] = spec.split(':');
  const entry = Object.hasOwn(REGISTRY, name) ? REGISTRY[name] : undefined;
  if (entry === undefined) {
    throw new PolicySpecError(`policy "${spec}" is unknown; known are ${Object.keys(REGISTRY).join(', ')}`);
  }
  const parameters = new ParameterReader(spec, pairs);
  const policies = entry.create(parameters);
  parameters.finish();
  const intervals = [policies.ordering, policies.retention, policies.admission].flatMap((policy) =>
    policy?.tickEvery === undefined ? [] : [policy.tickEvery],
  );
  const tickEvery = intervals.length === 0 ? {} : { tickEvery: micros(Math.min(...intervals)) };
  return { name: spec, ...policies, ...tickEvery };
};
