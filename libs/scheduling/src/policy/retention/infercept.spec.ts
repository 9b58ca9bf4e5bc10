import { describe, expect, it } from '@jest/globals';
import { millis, seconds } from '../../model/units.js';
import { aRetentionView, someEngine } from '../policy.fixture.js';
import { discardWaste, INFERCEPT_DEFAULTS, inferceptRetention } from './infercept.js';
import type { RetentionView } from './retention-policy.js';

/** Prefill takes 1 ms a token (kernel fixture), so a context of 4,000 tokens takes 4 s. */
const policy = inferceptRetention({ ...INFERCEPT_DEFAULTS, saturationTokens: 1_000 });
const ttlForm = inferceptRetention({ ...INFERCEPT_DEFAULTS, form: 'ttl' });

const aView = (changes: Partial<RetentionView> = {}): RetentionView =>
  aRetentionView({ engine: someEngine({ activeTokens: 6_000 }), ...changes });

const running = (runningRequests: number): RetentionView['engine'] =>
  someEngine({
    load: { freeBlocks: 0, evictableBlocks: 0, pinnedBlocks: 0, activeBlocks: 0, runningRequests, waitingRequests: 0 },
  });

describe('min-waste preservation', () => {
  it('holds, by hand, until the tool has taken what discarding would waste', () => {
    // C = 4,000, C_other = 6,000, four chunks of 1,000: 4 s * 4,000 / 2 + 4 * 1 s * 6,000 = 32,000 token-seconds.
    // Preserving wastes 4,000 a second, so it pays for 8 s.
    expect(policy.choose(null, aView())).toMatchObject({
      terms: { ttl: seconds(8) },
      inputs: { wasteDiscardTokenSeconds: 32_000, wastePreserveTokenSeconds: 0 },
    });
    const later = aView({ moment: 'reconsider', elapsed: millis(7_500) });
    expect(policy.choose(null, later).terms?.ttl).toBe(millis(500));
    expect(policy.choose(null, { ...later, elapsed: seconds(8) }).terms).toBeNull();
  });

  it('changes its mind when less runs beside the context', () => {
    const alone = aView({ engine: someEngine({ activeTokens: 0 }), moment: 'reconsider', elapsed: seconds(3) });
    expect(policy.choose(null, { ...alone, engine: someEngine({ activeTokens: 6_000 }) }).terms).not.toBeNull();
    expect(policy.choose(null, alone).terms).toBeNull();
  });

  it('does not count the turn that is dispatched as running beside itself', () => {
    const dispatched = aView({ moment: 'dispatch', engine: someEngine({ activeTokens: 10_000 }) });
    expect(policy.choose(null, dispatched).terms?.ttl).toBe(seconds(8));
  });

  it('cuts a recomputation into more chunks the more requests run', () => {
    const cost = { baseSeconds: 1, perTokenSeconds: 0, perTokenSquaredSeconds: 0 };
    const waste = (runningRequests: number): number => {
      const engine = running(runningRequests);
      const withBase = { ...engine, description: { ...engine.description, prefillCost: cost } };
      return discardWaste(withBase, { contextTokens: 4_000, otherTokens: 10, saturationTokens: 1_000 });
    };
    // Each chunk costs its base: 1 s * 4,000 / 2 + n * 1 s * 10 with n = 4, and n = 8 with half the step taken.
    expect(waste(0)).toBe(2_040);
    expect(waste(500)).toBe(2_080);
    expect(Number.isFinite(waste(5_000))).toBe(true);
  });

  it('holds nothing of an empty context', () => {
    expect(policy.choose(null, aView({ contextTokens: 0 })).terms).toBeNull();
  });

  it('is decided again at ticks, the TTL form is not', () => {
    expect(policy.tickEvery).toBe(seconds(1));
    expect(ttlForm.tickEvery).toBeUndefined();
  });
});

describe('its TTL form', () => {
  it('is, by hand, T_fwd(C) * (C + C_other) / 2C, for named tools only', () => {
    // 4 s * 10,000 / 8,000 = 5 s.
    expect(ttlForm.choose(null, aView()).terms?.ttl).toBe(seconds(5));
    expect(ttlForm.choose(null, aView({ tool: '' })).terms).toBeNull();
    expect(ttlForm.choose(null, aView({ moment: 'dispatch' })).terms?.ttl).toBe(seconds(2));
  });
});
