import { seconds } from '../../model/units.js';
import { fixedTtlRetention } from './fixed-ttl.js';
import type { RetentionPolicy } from './retention-policy.js';

/** 1,000 hours: longer than any program, and what a lifetime in 32 bits of milliseconds can still say. */
const LONGER_THAN_ANY_PROGRAM = seconds(3_600_000);

/**
 * Every context is held until its program ends. The engine takes pins back under pressure alone: when running turns
 * grow, or when nothing runs and the head does not fit; the youngest program's goes first. It needs no estimate of
 * anything, which makes its backlog throughput the unit of load ("no-eviction capacity").
 */
export const infinitePinRetention: RetentionPolicy<null> = {
  ...fixedTtlRetention(LONGER_THAN_ANY_PROGRAM),
  type: 'retention.infinite-pin',
};
