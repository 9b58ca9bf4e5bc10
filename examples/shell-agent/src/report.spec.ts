import type { TurnResult } from '@holdfast/sdk';
import { describe, expect, it } from '@jest/globals';
import { turnLine } from './report.js';

const result: TurnResult = {
  turnId: 't',
  requestId: 'r',
  text: '',
  tokenIds: [],
  toolCalls: [],
  usage: { promptTokens: 200, cachedTokens: 150, outputTokens: 20, recomputedTokens: 3 },
  finishReason: 'stop',
  engineId: 'engine-a',
  isCompaction: false,
  queueWaitMs: 12.4,
  timeToFirstTokenMs: 55.6,
  durationMs: 90,
};

describe('the line of a turn', () => {
  it('says what was cached, waited for and pinned', () => {
    const pin = { engineId: 'engine-a', pinnedTokens: 208, expiresAt: new Date(10_500) };
    expect(turnLine(2, { ...result, pin }, 3_000)).toBe(
      'turn 2: prompt 200 tokens, 150 cached (75 %), 3 computed again, 20 out, queued 12 ms, first token after 56 ms, ' +
        'on engine-a, pinned 208 tokens for 7.5 s',
    );
  });

  it('says when nothing is pinned, and divides no empty prompt', () => {
    const usage = { promptTokens: 0, cachedTokens: 0, outputTokens: 0, recomputedTokens: 0 };
    expect(turnLine(1, { ...result, usage }, 0)).toMatch(/0 cached \(0 %\).*nothing pinned$/);
  });
});
