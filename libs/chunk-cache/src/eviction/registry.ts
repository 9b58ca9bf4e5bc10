import type { ShareForm } from '../score/recompute-share.js';
import { CacheCraftEviction } from './cache-craft-score.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { ExpectedSavingsEviction } from './expected-savings.js';
import { GdsfEviction, LfuEviction, LruEviction } from './recency-and-frequency.js';

/** What a store wants of its policy. */
export interface EvictionGoal {
  readonly objective: 'work' | 'hits';
  /** How the store counts the work that a use costs. */
  readonly form: ShareForm;
}

interface Entry {
  readonly summary: string;
  readonly create: (goal: EvictionGoal) => EvictionPolicy;
}

const AGED_HALF_LIFE_REFERENCES = 2_000;

/** Every eviction policy. Adding one: its file, its spec, one line here. */
const REGISTRY = {
  lru: { summary: 'least recently used', create: () => new LruEviction() },
  lfu: { summary: 'least frequently used while stored', create: () => new LfuEviction() },
  gdsf: { summary: 'greedy dual: frequency with the age of the store', create: () => new GdsfEviction() },
  'cache-craft': {
    summary: 'sum of 1 / CFO over uses (arXiv 2502.15734), never ages',
    create: () => new CacheCraftEviction({ name: 'cache-craft', halfLifeReferences: Infinity }),
  },
  'cache-craft-aged': {
    summary: 'the same with a half-life of 2,000 references',
    create: () => new CacheCraftEviction({ name: 'cache-craft-aged', halfLifeReferences: AGED_HALF_LIFE_REFERENCES }),
  },
  holdfast: {
    summary: 'rate of references at four time scales, times what the variant saves over its siblings',
    create: (goal) => new ExpectedSavingsEviction({ name: 'holdfast', ...goal }),
  },
} as const satisfies Readonly<Record<string, Entry>>;

/** Name of an eviction policy. */
export type EvictionName = keyof typeof REGISTRY;

/** Pure. Names and one line on each. */
export const evictionPolicies = (): readonly { readonly name: EvictionName; readonly summary: string }[] =>
  (Object.keys(REGISTRY) as EvictionName[]).map((name) => ({ name, summary: REGISTRY[name].summary }));

/** A fresh policy for one store. */
export const createEviction = (name: EvictionName, goal: EvictionGoal): EvictionPolicy => REGISTRY[name].create(goal);
