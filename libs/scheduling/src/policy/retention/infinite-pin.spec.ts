import { describe, expect, it } from '@jest/globals';
import { instant, seconds } from '../../model/units.js';
import { aProgram, aRetentionView } from '../policy.fixture.js';
import { infinitePinRetention as policy } from './infinite-pin.js';
import { OUTBIDS_EVERY_PIN } from './retention-policy.js';

describe('an infinite pin', () => {
  it('lasts longer than a program, at dispatch and while a tool runs, and fits 32 bits of milliseconds', () => {
    for (const moment of ['dispatch', 'toolCall'] as const) {
      const ttl = policy.choose(null, aRetentionView({ moment })).terms?.ttl ?? 0;
      expect(ttl).toBe(seconds(3_600_000));
      expect(ttl / 1_000).toBeLessThan(2 ** 32);
    }
  });

  it('yields to no bid of a policy that does not ask for it, and the youngest program first', () => {
    const valueOf = (arrivedAt: number): number =>
      policy.choose(null, aRetentionView({ program: aProgram({ arrivedAt: instant(arrivedAt) }) })).terms?.value ?? 0;
    expect(valueOf(1.8e15)).toBeGreaterThan(1e15);
    expect(valueOf(2_000_000)).toBeLessThan(valueOf(1_000_000));
    expect(valueOf(0)).toBeLessThan(OUTBIDS_EVERY_PIN);
  });
});
