import { describe, expect, it } from '@jest/globals';
import { prefillSeconds } from '@holdfast/scheduling';
import { engineProfile, engineProfileNames } from './engine-profile.js';
import { prefillPairs, type StepBatch, stepMicros } from './step-time.js';

const idle: StepBatch = { prefillTokens: 0, prefillPairs: 0, decodeSequences: 0, decodeContextTokens: 0 };

/** One prompt alone, chunk by chunk. */
const prefillMillis = (name: string, tokens: number, budget: number): number => {
  const { stepTime } = engineProfile(name);
  let micros = 0;
  for (let known = 0; known < tokens; known += budget) {
    const chunk = Math.min(budget, tokens - known);
    micros += stepMicros(stepTime, { ...idle, prefillTokens: chunk, prefillPairs: prefillPairs(known, chunk) });
  }
  return micros / 1_000;
};

describe('engine profiles', () => {
  it('hold the published pools', () => {
    expect(engineProfile('h100-llama-3.1-8b').totalBlocks).toBe(29_205);
    expect(engineProfile('h100-llama-3.1-70b-tp4').totalBlocks).toBe(128_273);
  });

  it('compute pools that lie within the memory of their GPUs and grow with it', () => {
    const gib = (name: string): number => {
      const { totalBlocks, blockTokens, kvBytesPerToken } = engineProfile(name);
      return (totalBlocks * blockTokens * kvBytesPerToken) / 2 ** 30;
    };
    expect(gib('h100-llama-3.1-8b')).toBeCloseTo(57, 0);
    expect(gib('h200-llama-3.1-8b')).toBeCloseTo(112, 0);
    expect(gib('b200-llama-3.1-8b')).toBeCloseTo(147, 0);
    // 282 GB of weights leave 376 GiB of 564.
    expect(gib('h200-llama-3.1-70b-tp4')).toBeCloseTo(376, 0);
  });

  it.each([
    // Measured: 16 fits of a table, here the points nearest to agent work, in milliseconds.
    ['h100-llama-3.1-8b', 8_192, 187],
    ['a100-llama-3.1-8b', 8_192, 531],
    ['b200-llama-3.1-8b', 8_192, 91],
    ['h100-llama-3.1-70b-tp4', 8_192, 519],
    ['h100-qwen3-8b', 8_192, 191],
  ])('%s prefills %i tokens in about %i ms', (name, tokens, measured) => {
    expect(Math.abs(prefillMillis(name, tokens, 8_192) / measured - 1)).toBeLessThan(0.15);
  });

  it.each([
    ['h100-llama-3.1-8b', 1, 7.5],
    ['h100-llama-3.1-8b', 32, 18.8],
    ['h100-llama-3.1-8b', 128, 52.1],
    ['a100-llama-3.1-8b', 32, 38],
    ['b200-llama-3.1-70b-tp4', 128, 28.5],
  ])('%s decodes %i sequences of 8,192 tokens in about %d ms', (name, sequences, measured) => {
    const batch = { ...idle, decodeSequences: sequences, decodeContextTokens: sequences * 8_192 };
    const millis = stepMicros(engineProfile(name).stepTime, batch) / 1_000;
    expect(Math.abs(millis / measured - 1)).toBeLessThan(0.35);
  });

  it('give a prefill quadratic within half a base step of the chunked prefill', () => {
    for (const name of engineProfileNames) {
      const { prefillCost, stepTime, tokenBudget } = engineProfile(name);
      for (const tokens of [1, 100, 2_048, 2_049, 10_000, 100_000]) {
        const exact = prefillMillis(name, tokens, tokenBudget) / 1_000;
        const error = Math.abs(prefillSeconds(prefillCost, tokens) - exact);
        expect(error).toBeLessThanOrEqual(stepTime.baseMicros / 2e6 + 1e-9);
      }
    }
  });

  it('reload a token from host memory faster than they compute it, over the links of all their GPUs', () => {
    // 131,072 bytes at 50 GB/s.
    expect(engineProfile('h100-llama-3.1-8b').reloadMicrosPerToken).toBeCloseTo(2.62, 2);
    // 327,680 bytes over four of them.
    expect(engineProfile('h100-llama-3.1-70b-tp4').reloadMicrosPerToken).toBeCloseTo(1.64, 2);
    for (const name of engineProfileNames) {
      const { reloadMicrosPerToken, stepTime } = engineProfile(name);
      expect(reloadMicrosPerToken).toBeGreaterThan(0);
      expect(reloadMicrosPerToken).toBeLessThan(stepTime.perPrefillTokenMicros);
    }
  });

  it('have names of one shape, each once', () => {
    expect(new Set(engineProfileNames).size).toBe(15);
    for (const name of engineProfileNames) {
      expect(name).toMatch(/^[a-z0-9-]+-(llama-3\.1|qwen3)-\d+b(-tp\d)?$/);
      expect(engineProfile(name).name).toBe(name);
    }
  });

  it('say which names they know', () => {
    expect(() => engineProfile('h100')).toThrow(RangeError);
    expect(() => engineProfile('h100')).toThrow(/"h100"; allowed are .*b200-qwen3-8b.*h100-llama-3\.1-8b/);
  });
});
