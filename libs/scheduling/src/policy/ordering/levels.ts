import type { Instant } from '../../model/units.js';

/** Above every arrival in microseconds before the year 2041; four levels of it still make safe integers. */
const LEVEL_SPAN = 2 ** 51;

/** Tokens that bound the levels 0, 1 and 2; beyond them is the lowest (constants of the tree of arXiv 2604.26963). */
export const LEVEL_TOKENS: readonly number[] = [2_048, 8_192, 32_768];

/** Level of lowest priority. */
export const LOWEST_LEVEL = LEVEL_TOKENS.length;

/** Pure. The rank of a turn on a level, 0 to LOWEST_LEVEL: first come first served inside a level. */
export const levelRank = (level: number, arrivedAt: Instant): number => level * LEVEL_SPAN + arrivedAt;
