import { describe, expect, it } from '@jest/globals';
import { anOrderingView, aRetentionView, aTurn } from './policy.fixture.js';
import { guarded } from './guarded-policy.fixture.js';
import { fixedOrdering, type OrderingView } from './ordering/ordering-policy.js';
import { parsePolicy } from './registry.js';

const base = parsePolicy('static-ttl');
const rankWith = (rank: (view: OrderingView) => number, view = anOrderingView()): (() => number) => {
  const { ordering } = guarded({ ...base, ordering: fixedOrdering('ordering.test', rank) });
  return () => ordering.rank(null, view);
};

describe('a guarded policy', () => {
  it('may not read what is no fact, such as the output that a turn may make', () => {
    const turn = Object.assign(aTurn(), { maxOutputTokens: 10 });
    const peek = rankWith((view) => (view.turn as typeof turn).maxOutputTokens, anOrderingView({ turn }));
    expect(peek).toThrow('a policy reads view.turn.maxOutputTokens, which is no fact');
  });

  it('may not change what it is shown, however deep', () => {
    expect(rankWith((view) => Object.assign(view.program, { contextTokens: 1 }).contextTokens)).toThrow(/changes/);
    expect(rankWith((view) => (view.program.openToolCalls as Map<string, never>).clear() ?? 0)).toThrow(/changes/);
  });

  it('may rank with safe integers only, and the same when asked again', () => {
    let calls = 0;
    expect(rankWith(() => NaN)).toThrow('rank NaN is no safe integer');
    expect(rankWith(() => 2 ** 53)).toThrow('is no safe integer');
    expect(rankWith(() => (calls += 1))).toThrow('depends on how often it was asked');
  });

  it('may hold at lawful terms only', () => {
    const holding = (ttl: number, value: number | null): (() => unknown) => {
      const choice = { terms: { ttl, soft: false, value } as never, reason: 'test', inputs: {} };
      const { retention } = guarded({ ...base, retention: { ...base.retention, choose: () => choice } });
      return () => retention.choose(null, aRetentionView());
    };
    expect(holding(0, null)).toThrow('a pin of 0 us');
    expect(holding(0.5, null)).toThrow('a pin of 0.5 us');
    expect(holding(1, -1)).toThrow('a pin of value -1');
    expect(holding(1, null)).not.toThrow();
  });

  it('may look at a few facts, not at all of them', () => {
    const walk = (view: OrderingView): number => {
      let sum = 0;
      for (let index = 0; index < 1_000; index += 1) sum += view.program.contextTokens;
      return sum;
    };
    expect(rankWith(walk)).toThrow(/reads 2000 facts, allowed are 100/);
  });
});
