import type { vllm } from '@holdfast/contracts';
import type { TokenLogprob } from '../engine-client.js';

/**
 * Pure. The log probabilities of a chunk's tokens with at most `candidates` of the likeliest tokens each, likeliest first.
 * Undefined when they are not those of the chunk's tokens.
 */
export const readLogprobs = (
  { tokenIds, outputLogprobs }: vllm.GenerateStreamChunk,
  candidates: number,
): readonly TokenLogprob[] | undefined => {
  if (outputLogprobs === undefined) return undefined;
  const { tokenLogprobs, tokenIds: told, topLogprobs } = outputLogprobs;
  const areTheirs = tokenLogprobs.length === tokenIds.length && tokenIds.every((id, place) => told[place] === id);
  const haveCandidates = candidates === 0 || topLogprobs.length === tokenIds.length;
  if (!areTheirs || !haveCandidates) return undefined;
  return tokenLogprobs.map((logprob, place) => ({ logprob, ...likeliest(topLogprobs[place], candidates) }));
};

const likeliest = (
  top: vllm.TopLogProbs | undefined,
  candidates: number,
): Pick<TokenLogprob, 'topIds' | 'topLogprobs'> => {
  if (top === undefined || candidates === 0) return { topIds: [], topLogprobs: [] };
  const ranked = top.tokenIds
    .map((id, place) => ({ id, logprob: top.values[place] ?? -Infinity }))
    .sort((a, b) => b.logprob - a.logprob || a.id - b.id)
    .slice(0, candidates);
  return { topIds: ranked.map(({ id }) => id), topLogprobs: ranked.map(({ logprob }) => logprob) };
};
