import { describe, expect, it } from '@jest/globals';
import type { GenerateSampling } from '../engine-client.js';
import { samplingToProto } from './sampling-to-proto.js';

describe('samplingToProto', () => {
  it.each([
    [{ maxTokens: 0 }, /maxTokens is 0; allowed is 1 to/],
    [{ maxTokens: 1.5 }, /maxTokens is 1.5; allowed is a whole number/],
    [{ maxTokens: 5, minTokens: 6 }, /minTokens is 6; allowed is 0 to 5/],
    [{ maxTokens: 5, topP: 0 }, /topP is 0; allowed is/],
    [{ maxTokens: 5, seed: 2 ** 31 }, /seed is 2147483648; allowed is/],
    [{ maxTokens: 5, temperature: Number.NaN }, /temperature is NaN; allowed is/],
    [{ maxTokens: 5, presencePenalty: 3 }, /presencePenalty is 3; allowed is -2 to 2/],
    [{ maxTokens: 5, repetitionPenalty: 0 }, /repetitionPenalty is 0; allowed is/],
    [{ maxTokens: 5, logprobs: 21 }, /logprobs is 21; allowed is 0 to 20/],
  ])('refuses %j, naming the field, the value and what is allowed', (given, message) => {
    expect(() => samplingToProto(given)).toThrow(message);
  });

  it('sends what changes nothing for what is not asked for', () => {
    expect(samplingToProto({ maxTokens: 5 })).toMatchObject({
      topP: 1,
      topK: 0,
      repetitionPenalty: 1,
      presencePenalty: 0,
      logitBias: {},
      constraint: undefined,
    });
    expect(samplingToProto({ maxTokens: 5 })).not.toHaveProperty('logprobs');
  });

  it.each([
    [0, 0],
    [1, 2],
    [19, 20],
    [20, 20],
  ])('asks for %i candidates as %i: the engine counts the chosen token as one', (logprobs, sent) => {
    expect(samplingToProto({ maxTokens: 5, logprobs }).logprobs).toBe(sent);
  });

  it.each<[NonNullable<GenerateSampling['structuredOutput']>, object]>([
    [
      { type: 'jsonSchema', schema: '{}' },
      { $case: 'jsonSchema', value: '{}' },
    ],
    [{ type: 'jsonObject' }, { $case: 'jsonObject', value: true }],
    [
      { type: 'regex', pattern: 'a+' },
      { $case: 'regex', value: 'a+' },
    ],
    [
      { type: 'grammar', ebnf: 'root ::= "a"' },
      { $case: 'grammar', value: 'root ::= "a"' },
    ],
    [
      { type: 'choice', choices: ['a', 'b'] },
      { $case: 'choice', value: { choices: ['a', 'b'] } },
    ],
  ])('sends %j as the constraint of the wire', (structuredOutput, constraint) => {
    expect(samplingToProto({ maxTokens: 5, structuredOutput }).constraint).toEqual(constraint);
  });
});
