import { describe, expect, it } from '@jest/globals';
import { SharedPrefixes } from './shared-prefixes.js';

const learned = (...cached: number[]): SharedPrefixes => {
  const prefixes = new SharedPrefixes();
  for (const tokens of cached) prefixes.learn('swe', tokens);
  return prefixes;
};

describe('shared prefixes', () => {
  it('are what first turns found cached, once three programs of the class were seen', () => {
    expect(learned(0, 6_000).tokensOf('swe')).toBe(0);
    expect(learned(0, 6_000, 6_000).tokensOf('swe')).toBe(6_000);
    expect(learned(6_000, 6_000, 6_000).tokensOf('other')).toBe(0);
  });

  it('are no more because one program goes on with an old conversation', () => {
    expect(learned(0, 0, 90_000, 0).tokensOf('swe')).toBe(0);
    expect(learned(6_000, 90_000, 6_000, 6_000).tokensOf('swe')).toBe(6_000);
  });

  it('follow a prompt that changes', () => {
    const prefixes = learned(...Array.from({ length: 50 }, () => 6_000));
    for (let program = 0; program < 8; program += 1) prefixes.learn('swe', 2_000);
    expect(prefixes.tokensOf('swe')).toBe(2_000);
  });
});
