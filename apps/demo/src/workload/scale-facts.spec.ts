import { describe, expect, it } from '@jest/globals';
import type { TurnFacts } from './program-facts.js';
import { scaleFacts } from './scale-facts.js';

const turn = (promptTokens: number, sharedTokens: number, outputTokens: number): TurnFacts => ({
  promptTokens,
  sharedTokens,
  outputTokens,
  gapSeconds: 40,
  tool: 'tool',
});

const scaled = (turns: readonly TurnFacts[]): readonly TurnFacts[] =>
  scaleFacts([{ id: 'a', turns }], { promptScale: 100, outputScale: 10, gapScale: 20 })[0]?.turns ?? [];

describe('scaled programs', () => {
  it('have fewer tokens and shorter gaps', () => {
    expect(scaled([turn(40_000, 0, 200)])).toEqual([
      { promptTokens: 400, sharedTokens: 0, outputTokens: 20, gapSeconds: 2, tool: 'tool' },
    ]);
  });

  it('still extend what they extended, although prompts and outputs shrink differently', () => {
    const [first, second] = scaled([turn(40_000, 0, 200), turn(41_200, 40_200, 100)]);
    expect(second?.sharedTokens).toBe((first?.promptTokens ?? 0) + (first?.outputTokens ?? 0));
    expect(second?.promptTokens).toBe(430);
  });

  it('share less than their context where they were compacted, and bring a token at least', () => {
    const [, second, third] = scaled([turn(40_000, 0, 200), turn(10_030, 10_000, 3), turn(10_034, 10_033, 5)]);
    expect(second).toMatchObject({ sharedTokens: 100, promptTokens: 101, outputTokens: 1 });
    expect(third).toMatchObject({ sharedTokens: 102, promptTokens: 103, outputTokens: 1 });
  });
});
