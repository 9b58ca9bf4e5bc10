import { vllm } from '@holdfast/contracts';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { samplingToProto, serializeGenerateRequest } from './generate-request.js';

const sampling = fc.record(
  {
    maxTokens: fc.integer({ min: 100, max: 0xffff_ffff }),
    minTokens: fc.integer({ min: 0, max: 100 }),
    ignoreEos: fc.boolean(),
    temperature: fc.float({ min: 0, max: 2, noNaN: true }),
    topP: fc.float({ min: Math.fround(0.01), max: 1, noNaN: true }),
    topK: fc.integer({ min: 0, max: 1_000 }),
    seed: fc.integer(),
    stop: fc.array(fc.string()),
  },
  { requiredKeys: ['maxTokens'] },
);

/** Boundaries of the varint lengths come up often. */
const tokenId = fc.oneof(
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455, 268_435_456, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);

describe('serializeGenerateRequest', () => {
  it('writes the bytes of the generated codec', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.array(tokenId, { maxLength: 300 }),
        sampling,
        fc.option(fc.string()),
        (requestId, ids, given, hints) => {
          const proto = samplingToProto(given);
          const expected = vllm.GenerateRequest.encode({
            requestId,
            input: { $case: 'tokenized', value: { originalText: '', inputIds: ids } },
            samplingParams: proto,
            stream: true,
            ...(hints === null ? {} : { kvTransferParamsJson: hints }),
          }).finish();
          const actual = serializeGenerateRequest({
            requestId,
            promptIds: Uint32Array.from(ids),
            sampling: proto,
            ...(hints === null ? {} : { hintsJson: hints }),
          });
          expect(actual.equals(expected)).toBe(true);
        },
      ),
    );
  });
});

describe('samplingToProto', () => {
  it.each([
    [{ maxTokens: 0 }, /maxTokens is 0; allowed is 1 to/],
    [{ maxTokens: 1.5 }, /maxTokens is 1.5; allowed is a whole number/],
    [{ maxTokens: 5, minTokens: 6 }, /minTokens is 6; allowed is 0 to 5/],
    [{ maxTokens: 5, topP: 0 }, /topP is 0; allowed is/],
    [{ maxTokens: 5, seed: 2 ** 31 }, /seed is 2147483648; allowed is/],
    [{ maxTokens: 5, temperature: Number.NaN }, /temperature is NaN; allowed is/],
  ])('refuses %j, naming the field, the value and what is allowed', (given, message) => {
    expect(() => samplingToProto(given)).toThrow(message);
  });
});
