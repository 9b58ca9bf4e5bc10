import { describe, expect, it } from '@jest/globals';
import { instant, micros } from '../../model/units.js';
import { observeIdleness } from '../idleness.js';
import { aProgram, aRetentionView, aTurn } from '../policy.fixture.js';
import { idlestFirstRetention as policy } from './idlest-first.js';

describe('the eviction order of idleness', () => {
  it('holds every context softly, so that nobody waits for memory, at one half before the first turn', () => {
    for (const moment of ['dispatch', 'toolCall', 'reconsider'] as const) {
      const { terms, bid } = policy.choose(policy.initialState(), aRetentionView({ moment }));
      expect(terms).toMatchObject({ soft: true, value: 0.5 });
      expect(bid).toBeUndefined();
    }
  });

  it('lowers the value as a tool goes on', () => {
    const state = policy.initialState();
    const turn = aTurn({ dispatchedAt: instant(0) });
    const fact = {
      type: 'turnRan',
      wasEvicted: false,
      queueDelay: micros(0),
      uncachedTokens: 0,
      outputTokens: 1,
    } as const;
    observeIdleness(state, { ...fact, program: aProgram({ lastTurnFinishedAt: null }), turn }, instant(2e6));
    const program = aProgram({ lastTurnFinishedAt: instant(2e6) });
    const valueAt = (seconds: number): number | null | undefined =>
      policy.choose(state, aRetentionView({ program, now: instant(seconds * 1e6) })).terms?.value;
    // A turn of 2 s, then a tool that has run for 0, 2 and 6 s.
    expect([valueAt(2), valueAt(4), valueAt(8)]).toEqual([1, 0.5, 0.25]);
  });
});
