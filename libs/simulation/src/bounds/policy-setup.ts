import { instant, parsePolicy, policyNames, type PolicyProfile } from '@holdfast/scheduling';
import type { Arrival } from '../lab/workload.js';
import type { EngineProfile } from '../profiles/engine-profile.js';
import { beladyProfile } from './belady.js';
import { clairvoyantProfile } from './clairvoyant.js';

/** What a bound may know that no policy may: the programs that come, and the engine that runs them. */
export interface Foreknowledge {
  readonly arrivals: readonly Arrival[];
  readonly profile: EngineProfile;
  /** KV blocks of one engine. */
  readonly totalBlocks: number;
}

/** How a policy, or a bound, is run. */
export interface PolicySetup {
  /** Pure. */
  profileFor(known: Foreknowledge): PolicyProfile;
  /** `infinite`: nothing is ever evicted. */
  readonly memory: 'real' | 'infinite';
  /** Pure. When the programs arrive under it. */
  arrange(arrivals: readonly Arrival[]): readonly Arrival[];
}

const asTheyCome = (arrivals: readonly Arrival[]): readonly Arrival[] => arrivals;

/** Between two programs that are to have the machine for themselves: about eleven days. */
const ALONE_SPACING_MICROS = 1e12;

const oneByOne = (arrivals: readonly Arrival[]): readonly Arrival[] =>
  arrivals.map((arrival, index) => ({ ...arrival, at: instant(index * ALONE_SPACING_MICROS) }));

/** Pure. The policy that keeps every context: by its own name where the registry has it, else a very long constant. */
export const infinitePinSpec = (): string =>
  policyNames().some(({ name }) => name === 'infinite-pin') ? 'infinite-pin' : 'static-ttl:ttl=100000h';

const real = (profileFor: PolicySetup['profileFor']): PolicySetup => ({
  profileFor,
  memory: 'real',
  arrange: asTheyCome,
});

const BOUNDS: Readonly<Record<string, { readonly summary: string; readonly setup: () => PolicySetup }>> = {
  clairvoyant: {
    summary: 'bound: least remaining work first, contexts held for exactly as long as their gap if that pays',
    setup: () => real(clairvoyantProfile),
  },
  belady: {
    summary: 'bound: programs in order of arrival, the context that is cheapest to lose per second gives way',
    setup: () => real(beladyProfile),
  },
  'infinite-kv': {
    summary: 'bound: programs in order of arrival, on engines whose memory never ends',
    setup: () => ({ ...real(() => parsePolicy('program-fcfs')), memory: 'infinite' }),
  },
  alone: {
    summary: 'bound: every program has the engines for itself',
    setup: () => ({ ...real(() => parsePolicy(infinitePinSpec())), arrange: oneByOne }),
  },
};

/** Pure. The bounds, which know the future and exist in the lab only. */
export const boundNames = (): readonly { readonly name: string; readonly summary: string }[] =>
  Object.entries(BOUNDS).map(([name, { summary }]) => ({ name, summary }));

/**
 * Pure. How to run a policy of the registry, parameters included, or a bound.
 *
 * @throws PolicySpecError for anything else.
 */
export const policySetup = (spec: string): PolicySetup => {
  const bound = Object.hasOwn(BOUNDS, spec) ? BOUNDS[spec] : undefined;
  if (bound !== undefined) return bound.setup();
  const profile = parsePolicy(spec);
  return real(() => profile);
};
