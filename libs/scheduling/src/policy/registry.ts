import { micros, millis, seconds, type Duration } from '../model/units.js';
import { readHoldfast } from './holdfast.js';
import { ParameterReader, PolicySpecError } from './parameters.js';
import { readActiveWindow } from './admission/active-window.js';
import type { AdmissionPolicy } from './admission/admission-policy.js';
import { readMori } from './admission/mori.js';
import { readThunderagent } from './admission/thunderagent.js';
import { readAutellix } from './ordering/autellix.js';
import type { OrderingPolicy } from './ordering/ordering-policy.js';
import { pinnedFirstProgramFcfs } from './ordering/pinned-first-program-fcfs.js';
import { programFcfs } from './ordering/program-fcfs.js';
import { readRemainingPrefill } from './ordering/remaining-prefill.js';
import { turnFcfs } from './ordering/turn-fcfs.js';
import { continuumPublicRetention } from './retention/continuum-public.js';
import { readContinuum } from './retention/continuum.js';
import { fixedTtlRetention } from './retention/fixed-ttl.js';
import { idlestFirstRetention } from './retention/idlest-first.js';
import { readInfercept } from './retention/infercept.js';
import { infinitePinRetention } from './retention/infinite-pin.js';
import { neverRetention } from './retention/never.js';
import type { RetentionPolicy } from './retention/retention-policy.js';
import { sagaRetention } from './retention/saga.js';

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
  holdfast: {
    summary: 'every context held at its price, new programs start when what they will grow to fits, by first arrival',
    create: readHoldfast,
  },
  'infinite-pin': {
    summary: 'every context held until its program ends; pinned programs first, then by first arrival',
    create: () => ({ ordering: pinnedFirstProgramFcfs, retention: infinitePinRetention }),
  },
  'continuum-public': {
    summary: "Continuum's public code: 2 s for tools of 2 s on average; pinned programs first, then by first arrival",
    create: () => ({ ordering: pinnedFirstProgramFcfs, retention: continuumPublicRetention }),
  },
  continuum: {
    summary: 'Continuum (arXiv 2511.02230 v6): TTL by expected benefit, pinned programs first, then by first arrival',
    create: (parameters) => ({ ordering: pinnedFirstProgramFcfs, retention: readContinuum(parameters) }),
  },
  infercept: {
    summary: 'InferCept (arXiv 2402.01869): a context is held while that wastes less than computing it again',
    create: (parameters) => ({ ordering: programFcfs, retention: readInfercept(parameters) }),
  },
  autellix: {
    summary: 'Autellix (arXiv 2502.13965), PLAS: programs with the least attained service first, nothing pinned',
    create: (parameters) => ({ ordering: readAutellix(parameters), retention: neverRetention }),
  },
  thunderagent: {
    summary: 'ThunderAgent (arXiv 2602.13692): programs are paused while contexts exceed the KV pool, nothing pinned',
    create: (parameters) => ({
      ordering: turnFcfs,
      retention: neverRetention,
      admission: readThunderagent(parameters),
    }),
  },
  saga: {
    summary: "SAGA (arXiv 2605.00528): TTL of the tool's 95th percentile, shorter as memory fills, by first arrival",
    create: () => ({ ordering: programFcfs, retention: sagaRetention }),
  },
  mori: {
    summary:
      'MORI (arXiv 2606.00866): the idlest programs leave the GPU for host memory while contexts exceed the KV pool',
    create: (parameters) => ({
      ordering: turnFcfs,
      retention: idlestFirstRetention,
      admission: readMori(parameters),
    }),
  },
  mars: {
    summary: 'MARS (arXiv 2604.26963), preview code: a window of active turns, short prefills first, nothing pinned',
    create: (parameters) => ({
      ordering: readRemainingPrefill(parameters),
      retention: neverRetention,
      admission: readActiveWindow(parameters),
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
