import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type OutputRequest, planOutput } from './output-plan.js';

const request = fc.record({
  engineSeed: fc.nat(),
  seed: fc.nat(),
  promptIds: fc.uint32Array({ minLength: 1, maxLength: 50 }),
  maxTokens: fc.integer({ min: 1, max: 400 }),
  minTokens: fc.nat({ max: 50 }),
  ignoreEos: fc.boolean(),
  stopTokenIds: fc.array(fc.integer({ min: 0x61, max: 0x7a }), { maxLength: 2 }),
  stopStrings: fc.array(fc.stringMatching(/^[a-z ]{1,2}$/), { maxLength: 2 }),
});

const outputOf = (asked: OutputRequest): number[] => {
  const plan = planOutput(asked);
  return Array.from({ length: plan.outputTokens }, (_, index) => plan.tokenIdAt(index));
};

const withoutStops = (asked: OutputRequest): OutputRequest => ({ ...asked, stopTokenIds: [], stopStrings: [] });

describe('planOutput', () => {
  it('is a function of its arguments', () => {
    fc.assert(
      fc.property(request, (asked) => {
        expect(outputOf(asked)).toEqual(outputOf({ ...asked, promptIds: asked.promptIds.slice() }));
      }),
    );
  });

  it('gives at least one token and at most max_tokens, all of them text', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const output = outputOf(asked);
        expect(output.length).toBeGreaterThanOrEqual(1);
        expect(output.length).toBeLessThanOrEqual(asked.maxTokens);
        expect(String.fromCharCode(...output)).toMatch(/^[a-z ]+$/);
      }),
    );
  });

  it('gives exactly max_tokens when the end of the text is ignored and no stop is named', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const plan = planOutput({ ...withoutStops(asked), ignoreEos: true });
        expect(plan).toMatchObject({ outputTokens: asked.maxTokens, finishReason: 'length' });
      }),
    );
  });

  it('stops only to cut: what it gives is a prefix of what it would give without stops', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const cut = outputOf(asked);
        expect(outputOf(withoutStops(asked)).slice(0, cut.length)).toEqual(cut);
      }),
    );
  });

  it('stops at the first stop after min_tokens, and at none before', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const plan = planOutput(asked);
        const text = String.fromCharCode(...outputOf(asked));
        const endsWithStop = (end: number): boolean =>
          asked.stopTokenIds.includes(text.charCodeAt(end - 1)) ||
          asked.stopStrings.some((stop) => text.slice(0, end).endsWith(stop));
        for (let end = asked.minTokens + 1; end < text.length; end += 1) expect(endsWithStop(end)).toBe(false);
        const matched = plan.matchedTokenId !== undefined || plan.matchedStopString !== undefined;
        expect(matched).toBe(text.length > asked.minTokens && endsWithStop(text.length));
      }),
    );
  });

  it('has lengths around two hundred tokens when nothing limits them', () => {
    const lengths = Array.from(
      { length: 500 },
      (_, id) =>
        planOutput({
          engineSeed: 1,
          promptIds: Uint32Array.of(id),
          maxTokens: 1_000_000,
          minTokens: 0,
          ignoreEos: false,
          stopTokenIds: [],
          stopStrings: [],
        }).outputTokens,
    );
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    expect(mean).toBeGreaterThan(170);
    expect(mean).toBeLessThan(230);
  });
});
