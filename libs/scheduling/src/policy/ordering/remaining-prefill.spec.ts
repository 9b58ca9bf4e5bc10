import { describe, expect, it } from '@jest/globals';
import { instant } from '../../model/units.js';
import { anOrderingView, aTurn } from '../policy.fixture.js';
import { remainingPrefillOrdering } from './remaining-prefill.js';

const policy = remainingPrefillOrdering({ remaining: 'new' });

const levelOf = (turn: Parameters<typeof aTurn>[0], waitedSeconds = 0, by = policy): number => {
  const view = anOrderingView({ turn: aTurn(turn), now: instant(waitedSeconds * 1e6) });
  return Math.floor(by.rank(by.initialState(), view) / 2 ** 51);
};

describe('the order by remaining prefill', () => {
  it('has four levels, each up to and with its bound', () => {
    const levels = [1, 2_048, 2_049, 8_192, 8_193, 32_768, 32_769].map((promptTokens) =>
      levelOf({ promptTokens, sharedTokens: 0 }),
    );
    expect(levels).toEqual([0, 0, 1, 1, 2, 2, 3]);
  });

  it('counts what is new to the program, or the whole prompt', () => {
    const turn = { promptTokens: 40_000, sharedTokens: 39_000 };
    expect(levelOf(turn)).toBe(0);
    expect(levelOf(turn, 0, remainingPrefillOrdering({ remaining: 'all' }))).toBe(3);
  });

  it('lifts a turn one level for every 30 s of waiting', () => {
    const turn = { promptTokens: 40_000, sharedTokens: 0 };
    expect([29, 30, 60, 90, 900].map((waited) => levelOf(turn, waited))).toEqual([3, 2, 1, 0, 0]);
  });

  it('puts a turn that decodes on the highest level', () => {
    expect(levelOf({ promptTokens: 40_000, sharedTokens: 0, state: 'started' })).toBe(0);
  });
});
