import { describe, expect, it } from '@jest/globals';
import { seconds } from '../../model/units.js';
import { aProgram, aRetentionView, someEngine } from '../policy.fixture.js';
import { ELASTIC_DEFAULTS, elasticRetention, type ElasticState } from './elastic.js';

const policy = elasticRetention(ELASTIC_DEFAULTS);

const knowing = (durations: Readonly<Record<string, number>>): ElasticState => {
  const state = policy.initialState();
  for (let index = 0; index < 200; index += 1) {
    for (const [tool, duration] of Object.entries(durations)) {
      const fact = {
        type: 'toolCallEnded',
        program: aProgram(),
        tool,
        duration: seconds(duration),
        inferred: false,
      } as const;
      policy.observe(state, fact, aRetentionView().now);
    }
  }
  return state;
};

const valueOf = (state: ElasticState, view: Parameters<typeof policy.choose>[1]): number =>
  policy.choose(state, view).terms?.value ?? 0;

describe('elastic retention', () => {
  it('holds every context while nobody waits, however long its tool', () => {
    const state = knowing({ build: 3_000 });
    const choice = policy.choose(state, aRetentionView({ tool: 'build', waitingTurns: 0 }));
    expect(choice.terms).toMatchObject({ soft: false, ttl: ELASTIC_DEFAULTS.ttl });
  });

  it('values a context less for host memory, when told to, by the share of contexts beyond the pool that fits there', () => {
    const state = knowing({ grep: 0.3 });
    const counting = elasticRetention({ ...ELASTIC_DEFAULTS, host: 'counted' });
    // A millisecond to compute a token, a tenth of it to reload one; a pool of 16,000 tokens, and as much behind it.
    const { description } = aRetentionView().engine;
    const engine = (homeTokens: number): ReturnType<typeof someEngine> =>
      someEngine({ homeTokens, description: { ...description, hostBlocks: 1_000, reloadSecondsPerToken: 0.0001 } });
    const usual = valueOf(state, aRetentionView({ tool: 'grep' }));
    const counted = (homeTokens: number): number =>
      (counting.choose(state, aRetentionView({ tool: 'grep', engine: engine(homeTokens) })).terms?.value ?? 0) / usual;
    expect(counted(10_000)).toBeCloseTo(0.1);
    expect(counted(32_000)).toBeCloseTo(0.1);
    // 32,000 tokens are beyond the pool, of which half fit: half the time it is computed again.
    expect(counted(48_000)).toBeCloseTo(0.5 * 0.1 + 0.5);
    expect(valueOf(state, aRetentionView({ tool: 'grep', engine: engine(10_000) }))).toBe(usual);
    const without = counting.choose(state, aRetentionView({ tool: 'grep' }));
    expect(without.terms?.value).toBe(usual);
  });

  it('lets the context of a long tool go when others wait, and keeps that of a short one', () => {
    const state = knowing({ build: 3_000, grep: 0.3 });
    expect(policy.choose(state, aRetentionView({ tool: 'build', waitingTurns: 5 })).terms).toBeNull();
    expect(policy.choose(state, aRetentionView({ tool: 'grep', waitingTurns: 5 })).terms).not.toBeNull();
  });

  it('lets nothing go at dispatch, when the tool is not known', () => {
    const view = aRetentionView({ moment: 'dispatch', waitingTurns: 5 });
    expect(policy.choose(knowing({ build: 3_000 }), view).terms).not.toBeNull();
  });

  it('values a context by how soon it will be used', () => {
    const state = knowing({ build: 300, grep: 0.3 });
    const build = valueOf(state, aRetentionView({ tool: 'build' }));
    expect(valueOf(state, aRetentionView({ tool: 'grep' }))).toBeGreaterThan(10 * build);
    const after = (elapsed: number): number =>
      valueOf(state, aRetentionView({ moment: 'reconsider', tool: 'build', elapsed: seconds(elapsed) }));
    expect(after(280)).toBeGreaterThan(2 * after(60));
  });

  it('bids more the less runs, and more for a context that is there', () => {
    const state = policy.initialState();
    const { totalBlocks, blockTokens } = someEngine().description;
    const busy = someEngine({ activeTokens: totalBlocks * blockTokens });
    const bid = (view: Parameters<typeof policy.choose>[1]): number => policy.choose(state, view).bid ?? 0;
    const resident = bid(aRetentionView({ moment: 'dispatch', engine: busy }));
    expect(bid(aRetentionView({ moment: 'dispatch' }))).toBeGreaterThan(resident);
    expect(bid(aRetentionView({ moment: 'dispatch', engine: busy, isPinned: false }))).toBeLessThan(resident);
  });

  it('learns from tools that still run: when only quick calls have ended, the others are not taken for quick', () => {
    const ended = knowing({ build: 1 });
    const before = valueOf(ended, aRetentionView({ tool: 'build' }));
    for (let call = 0; call < 200; call += 1) {
      const running = { type: 'toolCallRuns', program: aProgram(), tool: 'build' } as const;
      policy.observe(ended, { ...running, elapsed: seconds(64), told: seconds(0) }, aRetentionView().now);
    }
    expect(valueOf(ended, aRetentionView({ tool: 'build' }))).toBeLessThan(before);
    const late = aRetentionView({ moment: 'reconsider', tool: 'build', elapsed: seconds(3) });
    expect(valueOf(ended, late)).toBeLessThan(valueOf(knowing({ build: 1 }), late) / 2);
  });
});
