import { CacheCraftPlanner } from './cache-craft-planner.js';
import type { ChunkPlanner } from './chunk-planner.js';
import { HoldfastPlanner } from './holdfast-planner.js';
import { laySegments } from './lay-segments.js';

/** Every planner. Adding one: its file, its spec, one line here. */
const REGISTRY = {
  'prefix-only': {
    summary: 'exact prefixes; everything else is computed',
    create: (): ChunkPlanner => ({ name: 'prefix-only', plan: (input) => laySegments(input, () => null) }),
  },
  'cache-craft': {
    summary: 'the form of the paper (arXiv 2502.15734), its defects included',
    create: (): ChunkPlanner =>
      new CacheCraftPlanner({
        name: 'cache-craft',
        form: (alpha) => ({ kind: 'paper', alpha, emptyContext: 'full' }),
      }),
  },
  'cache-craft-symmetric': {
    summary: 'the same with what was gained and reordered counted too',
    create: (): ChunkPlanner =>
      new CacheCraftPlanner({ name: 'cache-craft-symmetric', form: (alpha) => ({ kind: 'symmetric', alpha }) }),
  },
  holdfast: {
    summary: 'nearest context, means favoured; one budget, spent where the question looks',
    create: (): ChunkPlanner => new HoldfastPlanner(),
  },
} as const satisfies Readonly<Record<string, { readonly summary: string; readonly create: () => ChunkPlanner }>>;

/** Name of a planner. */
export type PlannerName = keyof typeof REGISTRY;

/** Pure. Names and one line on each. */
export const chunkPlanners = (): readonly { readonly name: PlannerName; readonly summary: string }[] =>
  (Object.keys(REGISTRY) as PlannerName[]).map((name) => ({ name, summary: REGISTRY[name].summary }));

/** Pure. */
export const createPlanner = (name: PlannerName): ChunkPlanner => REGISTRY[name].create();
