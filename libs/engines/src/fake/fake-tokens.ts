/** The answers of the fake engine: a formula of prompt, seed and position, so that a run can be repeated exactly. */
import type { TokenLogprob } from '../engine-client.js';

/** Pure. A 32-bit hash of the prompt (FNV-1a over token ids). */
export const promptHash = (promptIds: Uint32Array): number => {
  let hash = 0x811c_9dc5;
  for (const id of promptIds) hash = Math.imul(hash ^ id, 0x0100_0193);
  return hash >>> 0;
};

/** What decides an answer. */
export interface AnswerSeed {
  readonly promptHash: number;
  readonly seed: number;
  /** One token in so many ends the answer, on average; 0 never. */
  readonly eosOneIn: number;
  readonly eosTokenId: number;
}

const FIRST_LETTER = 97;
const LETTERS = 26;
const SPACE = 32;

/** Pure. The token at `position`: a letter or a space of the byte-level vocabulary, or the end of the answer. */
export const tokenAt = (from: AnswerSeed, position: number, mayEnd: boolean): number => {
  const hash = mix(from.promptHash ^ mix(from.seed) ^ Math.imul(position + 1, 0x9e37_79b1));
  if (mayEnd && from.eosOneIn > 0 && hash % from.eosOneIn === 0) return from.eosTokenId;
  const letter = (hash >>> 8) % (LETTERS + 4);
  return letter < LETTERS ? FIRST_LETTER + letter : SPACE;
};

const mix = (value: number): number => {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

/** Byte tokens alone: markers are never candidates. */
const BYTES = 256;

/** Pure. The chosen token is the likeliest, with one half; each next candidate has half of the one before. */
export const logprobOf = (tokenId: number, candidates: number): TokenLogprob => ({
  logprob: -Math.LN2,
  topIds: Array.from({ length: candidates }, (_, place) => (place === 0 ? tokenId : (tokenId + place) % BYTES)),
  topLogprobs: Array.from({ length: candidates }, (_, place) => -Math.LN2 * (place + 1)),
});
