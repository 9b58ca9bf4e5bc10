import { vllm } from '@holdfast/contracts';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { serializeGenerateRequest } from './generate-request.js';
import { samplingToProto } from './sampling-to-proto.js';

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
    stopTokenIds: fc.array(fc.nat(50_000)),
    minP: fc.float({ min: 0, max: 1, noNaN: true }),
    presencePenalty: fc.float({ min: -2, max: 2, noNaN: true }),
    logitBias: fc.uniqueArray(fc.record({ tokenId: fc.nat(50_000), bias: fc.integer({ min: -100, max: 100 }) }), {
      selector: ({ tokenId }) => tokenId,
      maxLength: 5,
    }),
    logprobs: fc.nat(20),
    structuredOutput: fc.constantFrom(
      { type: 'jsonSchema', schema: '{"type":"object"}' } as const,
      { type: 'jsonObject' } as const,
      { type: 'choice', choices: ['yes', 'no'] } as const,
    ),
  },
  { requiredKeys: ['maxTokens'] },
);

/** Boundaries of the varint lengths come up often. */
const tokenId = fc.oneof(
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455, 268_435_456, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);

describe('serializeGenerateRequest', () => {
  it('writes what the generated codec reads as it was meant', () => {
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
          // In another order.
          expect(actual).toHaveLength(expected.length);
          expect(vllm.GenerateRequest.decode(actual)).toEqual(vllm.GenerateRequest.decode(expected));
        },
      ),
    );
  });
});
