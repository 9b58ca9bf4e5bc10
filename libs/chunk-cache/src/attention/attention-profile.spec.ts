import { describe, expect, it } from '@jest/globals';
import { contextImpact } from '../score/context-impact.js';
import { attentionProfiles, type AttentionLayer, type DensityForm } from './attention-profile.js';

/** Four tokens, causal: two parts of two tokens each. */
const LAYERS: readonly AttentionLayer[] = [
  { tokens: 4, weights: [1, 0, 0, 0, 0.5, 0.5, 0, 0, 0.4, 0.2, 0.4, 0, 0.2, 0.2, 0.3, 0.3] },
  { tokens: 4, weights: [1, 0, 0, 0, 0.5, 0.5, 0, 0, 0.2, 0.2, 0.6, 0, 0.1, 0.1, 0.4, 0.4] },
];
const SPANS = [
  { start: 0, end: 2 },
  { start: 2, end: 4 },
];
const PAPER: DensityForm = { area: 'square', sink: 'included' };

describe('attention of a part of a prompt', () => {
  it('is summed to earlier parts, inside, and for each token, in the mean over layers', () => {
    const [first, second] = attentionProfiles(LAYERS, SPANS, PAPER);
    expect(first!.inter).toEqual([]);
    expect(second!.inter[0]).toBeCloseTo((0.6 + 0.4 + 0.4 + 0.2) / 2, 12);
    expect(second!.intra).toBeCloseTo((0.4 + 0.6 + 0.6 + 0.8) / 2, 12);
    expect(second!.tokenInter[0]).toBeCloseTo(0.5, 12);
    expect(second!.tokenInter[1]).toBeCloseTo(0.3, 12);
  });

  it('inside has twice the density by the paper that it has over the entries that can be more than 0, less the diagonal', () => {
    const [, square] = attentionProfiles(LAYERS, SPANS, PAPER);
    const [, causal] = attentionProfiles(LAYERS, SPANS, { ...PAPER, area: 'causal' });
    expect(causal!.meanIntraDensity / square!.meanIntraDensity).toBeCloseTo(4 / 3, 12);
  });

  it('to the part at position 0 counts or not, as the form says', () => {
    const [, included] = attentionProfiles(LAYERS, SPANS, PAPER);
    const [, excluded] = attentionProfiles(LAYERS, SPANS, { ...PAPER, sink: 'excluded' });
    expect(included!.meanInterDensity).toBeCloseTo(0.8 / 4, 12);
    expect(excluded!.meanInterDensity).toBe(0);
    const impact = contextImpact({ inter: excluded!.meanInterDensity, intra: excluded!.meanIntraDensity }, 'ratio');
    expect(impact).toBe(0);
  });

  it.each([
    [[], SPANS, 'layers is empty'],
    [LAYERS, [{ start: 0, end: 5 }], 'span 0 is [0, 5)'],
    [LAYERS, [SPANS[1]!, SPANS[0]!], 'span 1 is [0, 2)'],
  ])('is refused for parts that are not there', (layers, spans, message) => {
    expect(() => attentionProfiles(layers, spans, PAPER)).toThrow(message);
  });
});
