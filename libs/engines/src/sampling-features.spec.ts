import { describe, expect, it } from '@jest/globals';
import { EngineError } from './engine-error.js';
import type { GenerateSampling } from './engine-client.js';
import { SAMPLING_FEATURES, requireSampling, type SamplingFeature } from './sampling-features.js';

const refusalOf = (sampling: Partial<GenerateSampling>, features: readonly SamplingFeature[]): EngineError | null => {
  try {
    requireSampling({ maxTokens: 8, ...sampling }, { engineId: 'e1', features });
    return null;
  } catch (error) {
    return error as EngineError;
  }
};

describe('requireSampling', () => {
  it('names every field that the engine cannot do, and the engine', () => {
    const error = refusalOf(
      { presencePenalty: 1, logprobs: 0, topP: 0.5, structuredOutput: { type: 'jsonSchema', schema: '{}' } },
      ['topP'],
    );
    expect(error).toBeInstanceOf(EngineError);
    expect(error).toMatchObject({
      reason: 'ENGINE_CAPABILITY_MISSING',
      retryable: false,
      message: 'engine e1: it cannot do presence_penalty, logprobs, json_schema; allowed: top_p',
    });
    expect(error?.fieldViolations.map(({ field }) => field)).toEqual([
      'sampling.presence_penalty',
      'sampling.logprobs',
      'sampling.json_schema',
    ]);
  });

  it('lets values that change nothing pass on any engine', () => {
    const neutral = { topP: 1, topK: 0, minP: 0, presencePenalty: 0, repetitionPenalty: 1, stop: [], logitBias: [] };
    expect(refusalOf({ ...neutral, temperature: 0.7, seed: 3 }, [])).toBeNull();
    expect(refusalOf({ minTokens: 8, ignoreEos: true }, [])).toBeNull();
  });

  it('lets everything pass on an engine that has everything', () => {
    const all = { minTokens: 1, topK: 4, logitBias: [{ tokenId: 1, bias: 2 }], stopTokenIds: [1], stop: ['x'] };
    expect(refusalOf({ ...all, structuredOutput: { type: 'regex', pattern: 'a' } }, SAMPLING_FEATURES)).toBeNull();
  });
});
