import { vllm } from '@holdfast/contracts';
import { describe, expect, it } from '@jest/globals';
import { readLogprobs } from './read-logprobs.js';

const chunkOf = (tokenIds: number[], outputLogprobs?: Partial<vllm.OutputLogProbs>): vllm.GenerateStreamChunk =>
  vllm.GenerateStreamChunk.fromPartial({ tokenIds, ...(outputLogprobs === undefined ? {} : { outputLogprobs }) });

describe('readLogprobs', () => {
  it('ranks the candidates, of which the wire has the chosen token first, and keeps as many as were asked for', () => {
    const chunk = chunkOf([7], {
      tokenIds: [7],
      tokenLogprobs: [-3],
      topLogprobs: [{ tokenIds: [7, 4, 9, 2], values: [-3, -0.5, -2, -2] }],
    });
    expect(readLogprobs(chunk, 3)).toEqual([{ logprob: -3, topIds: [4, 2, 9], topLogprobs: [-0.5, -2, -2] }]);
    expect(readLogprobs(chunk, 1)).toEqual([{ logprob: -3, topIds: [4], topLogprobs: [-0.5] }]);
  });

  it('reads tokens alone where no candidates were asked for', () => {
    const chunk = chunkOf([7, 8], { tokenIds: [7, 8], tokenLogprobs: [-1, -2] });
    expect(readLogprobs(chunk, 0)?.map(({ logprob }) => logprob)).toEqual([-1, -2]);
  });

  it.each([
    ['none at all', chunkOf([7])],
    ['those of fewer tokens', chunkOf([7, 8], { tokenIds: [7], tokenLogprobs: [-1] })],
    ['those of other tokens', chunkOf([7], { tokenIds: [8], tokenLogprobs: [-1] })],
    ['no candidates', chunkOf([7], { tokenIds: [7], tokenLogprobs: [-1] })],
  ])('is undefined for %s', (_, chunk) => {
    expect(readLogprobs(chunk, 2)).toBeUndefined();
  });
});
