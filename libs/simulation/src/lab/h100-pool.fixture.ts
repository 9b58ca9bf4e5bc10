import { engineProfile } from '../profiles/engine-profile.js';
import { createPool } from './pool.js';
import type { PoolEngine } from './simulate.js';

/** Engines of the first profile, with this share of its KV memory. */
export const h100Pool = ({
  engines,
  kvScale,
}: {
  readonly engines: number;
  readonly kvScale: number;
}): readonly PoolEngine[] =>
  createPool({
    profile: engineProfile('h100-llama-3.1-8b'),
    engines,
    kvScale,
    tokenBudget: 8_192,
    maxRunningRequests: 256,
  });
