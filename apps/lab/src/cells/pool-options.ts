import { engineProfile, type PoolOptions } from '@holdfast/simulation';
import type { PoolChoice } from './job.js';

/** Turns that an engine may have without a first token. */
export const DISPATCH_WINDOW = 4;

/** Pure. Throws a RangeError when the engine's name is unknown. */
export const poolOptions = (choice: PoolChoice): PoolOptions => ({ ...choice, profile: engineProfile(choice.engine) });
