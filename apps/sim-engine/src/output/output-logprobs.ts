/**
 * Log probabilities of words that no model chose: every token has the same distribution over its candidates, halving
 * from the likeliest on, and the seed decides which of them was chosen. They are shaped as vLLM's front end shapes them.
 */
import type { vllm } from '@holdfast/contracts';
import { mix } from './mix.js';

const LETTERS = 26;
const FIRST_LETTER = 0x61;
/** From a letter to the one behind it, counted from the first. */
const FIRST_OTHER = 1 - FIRST_LETTER + 4 * LETTERS;
/** One token in four is not the likeliest. */
const RANKS_OF_FOUR = [0, 0, 0, 1] as const;

/** Which tokens, of which output. */
export interface LogprobRequest {
  readonly tokenIds: readonly number[];
  /** Place of the first of them in the output. */
  readonly from: number;
  /** Of the output. */
  readonly state: number;
  /** At most 20. */
  readonly candidates: number;
}

/** Pure. The chosen token comes before the likeliest others, and the list ends at the number asked for. */
export const outputLogprobs = ({ tokenIds, from, state, candidates }: LogprobRequest): vllm.OutputLogProbs => {
  const ranks = tokenIds.map((_, index) => RANKS_OF_FOUR[mix(state, from + index) % RANKS_OF_FOUR.length] ?? 0);
  return {
    tokenIds: [...tokenIds],
    tokenLogprobs: ranks.map(logprobOf),
    topLogprobs: candidates === 0 ? [] : tokenIds.map((id, index) => topOf(id, ranks[index] ?? 0, candidates)),
  };
};

/** Natural logarithm of 1/2 for the likeliest, 1/4 for the next, and so on. */
const logprobOf = (rank: number): number => -Math.LN2 * (rank + 1);

const topOf = (chosen: number, chosenRank: number, candidates: number): vllm.TopLogProbs => {
  const others = Array.from({ length: candidates - 1 }, (_, place) => place);
  return {
    tokenIds: [chosen, ...others.map((place) => FIRST_LETTER + ((chosen + FIRST_OTHER + place) % LETTERS))],
    values: [logprobOf(chosenRank), ...others.map((place) => logprobOf(place < chosenRank ? place : place + 1))],
  };
};
