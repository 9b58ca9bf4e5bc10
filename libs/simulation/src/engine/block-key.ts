/** Parent of the first block of every prompt. No block has this key. */
export const ROOT_KEY = 0;

const LANE_BITS = 0x1_0000_0000;
const HIGH_MASK = 0x1f_ffff;

const avalanche = (lane: number): number => {
  let mixed = lane;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
};

/**
 * Pure. Key of a block: a hash of its parent's key and its `count` token ids from `start`.
 *
 * Two 32-bit lanes with different multipliers run over the tokens; 32 bits of one and 21 of the other make a safe
 * integer. Among 100,000 blocks two different chains share a key with probability below one in a million.
 */
export const blockKey = (parentKey: number, ids: Uint32Array, start: number, count: number): number => {
  let low = (parentKey >>> 0) ^ 0x9e37_79b9;
  let high = Math.floor(parentKey / LANE_BITS) ^ 0x7f4a_7c15;
  for (let index = start; index < start + count; index += 1) {
    const id = ids[index]!;
    low = Math.imul(low ^ id, 0xcc9e_2d51);
    low ^= low >>> 15;
    high = Math.imul(high ^ id, 0x1b87_3593);
    high = (((high << 13) | (high >>> 19)) + 0x27d4_eb2f) | 0;
  }
  const key = (avalanche(high ^ 0x5bd1_e995) & HIGH_MASK) * LANE_BITS + avalanche(low);
  return key === ROOT_KEY ? 1 : key;
};
