/** Pure. Mixes two 32-bit numbers into one: equal inputs, equal output; any bit may change any other. */
export const mix = (state: number, value: number): number => {
  let mixed = Math.imul(state ^ value, 0x9e37_79b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
};

/** Pure. One 32-bit number for a list of token ids and a seed. */
export const fingerprint = (seed: number, ids: Uint32Array): number => {
  let state = mix(seed, ids.length);
  for (const id of ids) state = Math.imul((state ^ id) + 0x7f4a_7c15, 0x2c1b_3c6d) ^ (state >>> 15);
  return mix(state, 0x51ed_270b);
};

/** Pure. A number in [0, 1) from a 32-bit one. */
export const unit = (value: number): number => (value >>> 0) / 0x1_0000_0000;
