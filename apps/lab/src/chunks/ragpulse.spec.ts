import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import type { EvictionName } from '@holdfast/chunk-cache';
import { beladyHits } from './belady.js';
import { chunkCensus } from './chunk-census.js';
import { readRagpulse } from './read-ragpulse.js';
import { replayHits } from './replay-hits.js';
import { replayWork } from './replay-work.js';

const trace = await readRagpulse(fileURLToPath(new URL('../../data/ragpulse/0_trace.jsonl.gz', import.meta.url)));
const hitRate = (policy: EvictionName, capacityShare: number): number => {
  const [whole] = replayHits(trace.requests, { policy, capacityShare, windows: [0] });
  return whole!.hitTokens / whole!.tokens;
};

describe('RAGPulse, in time order', () => {
  const census = chunkCensus(trace);

  it('has as many references, chunks and tokens as were counted elsewhere', () => {
    expect(census).toMatchObject({
      requests: 7_106,
      chunkReferences: 33_255,
      distinctChunks: 3_235,
      uniqueTokens: 820_395,
      chunks: { tokens: 8_859_192 },
      wholePrompt: { tokens: 20_851_449 },
    });
  });

  it('has the same ceilings', () => {
    const { chunks, wholePrompt, repeatedReferences, chunkReferences } = census;
    expect(chunks.prefixTokens / chunks.tokens).toBeCloseTo(0.2895, 4);
    expect(chunks.anywhereTokens / chunks.tokens).toBeCloseTo(0.907, 3);
    expect(Math.floor((1_000 * repeatedReferences) / chunkReferences)).toBe(902);
    expect(wholePrompt.prefixTokens / wholePrompt.tokens).toBeCloseTo(0.315, 3);
    expect(wholePrompt.anywhereTokens / wholePrompt.tokens).toBeCloseTo(0.72, 3);
  });

  it('is found behind the same prefix more often when the chunks of a prompt are put in order', () => {
    const { chunks, arrangedChunks } = census;
    expect(arrangedChunks.prefixTokens / arrangedChunks.tokens).toBeGreaterThan(
      chunks.prefixTokens / chunks.tokens + 0.1,
    );
  });

  it('is served by LRU as was measured elsewhere, in time order and in that of the file', () => {
    const percents = census.lru.map(({ inTimeOrder, inFileOrder }) => [
      Number((100 * inTimeOrder).toFixed(1)),
      Number((100 * inFileOrder).toFixed(1)),
    ]);
    expect(percents).toEqual([
      [36.6, 37.7],
      [50.1, 51.4],
      [65.9, 67.0],
      [84.9, 85.0],
    ]);
  });

  it.each([0.05, 0.1, 0.2, 0.5])(
    'with room for %d of the tokens holdfast finds more than LRU, less than the bound',
    (capacityShare) => {
      const holdfast = hitRate('holdfast', capacityShare);
      const bound = beladyHits(trace.requests, capacityShare);
      expect(holdfast).toBeGreaterThan(hitRate('lru', capacityShare));
      expect(holdfast).toBeLessThan(bound.hitTokens / bound.tokens);
    },
    120_000,
  );

  // The least recompute that M = 1, 3, 5 under LRU and Cache-Craft's score, aged or not, reached elsewhere.
  it.each([
    [0.1, 0.701],
    [0.3, 0.553],
    [1, 0.395],
  ])(
    'with room for %d of the tokens holdfast recomputes less than %d of them',
    (capacityShare, best) => {
      const [whole] = replayWork(trace.requests, {
        policy: 'holdfast',
        capacityShare,
        form: { kind: 'paper', alpha: 0.6, emptyContext: 'none' },
        admitAbove: 0.25,
        windows: [0],
      });
      expect(whole!.computedTokens / whole!.tokens).toBeLessThan(best);
    },
    120_000,
  );
});
