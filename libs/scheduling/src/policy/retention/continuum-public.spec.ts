import { describe, expect, it } from '@jest/globals';
import { instant, seconds } from '../../model/units.js';
import { aProgram, aRetentionView } from '../policy.fixture.js';
import { continuumPublicRetention as policy, type ContinuumPublicState } from './continuum-public.js';

const after = (durations: Readonly<Record<string, readonly number[]>>): ContinuumPublicState => {
  const state = policy.initialState();
  for (const [tool, values] of Object.entries(durations)) {
    for (const value of values) {
      const fact = { program: aProgram(), tool, duration: seconds(value), inferred: false };
      policy.observe(state, { type: 'toolCallEnded', ...fact }, instant(0));
    }
  }
  return state;
};

const ttlOf = (state: ContinuumPublicState, tool: string): number | undefined =>
  policy.choose(state, aRetentionView({ tool })).terms?.ttl;

describe("the TTL of Continuum's public code", () => {
  it('is, by hand, 2 s while the running mean is at most 2 s', () => {
    // 0.5 and 3.5 have the mean 2.0; one more of 2.3 has 2.1.
    expect(ttlOf(after({ bash: [0.5, 3.5] }), 'bash')).toBe(seconds(2));
    expect(ttlOf(after({ bash: [0.5, 3.5, 2.3] }), 'bash')).toBeUndefined();
  });

  it('is 2 s for a tool never seen, whatever the others take', () => {
    expect(ttlOf(after({ pytest: [60] }), 'grep')).toBe(seconds(2));
  });

  it('is none for a gap without a tool, which teaches nothing either', () => {
    const state = after({ '': [1] });
    expect(policy.choose(state, aRetentionView({ tool: '' })).terms).toBeNull();
    expect(state.byTool.size).toBe(0);
  });

  it('bridges, at dispatch, the time until the tool is known', () => {
    expect(policy.choose(after({ bash: [60] }), aRetentionView({ moment: 'dispatch' })).terms?.ttl).toBe(seconds(2));
  });

  it('gives all pins one value, so that the engine takes the one that ends last', () => {
    const valueOf = (arrivedAt: number): number | null | undefined =>
      policy.choose(after({}), aRetentionView({ program: aProgram({ arrivedAt: instant(arrivedAt) }) })).terms?.value;
    expect(valueOf(1)).toBeNull();
    expect(valueOf(2_000_000)).toBeNull();
  });
});
