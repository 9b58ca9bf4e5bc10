import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RecentDurations } from './recent-durations.js';

describe('recent durations', () => {
  it('are the last ones of the window, ascending', () => {
    const values = fc.array(fc.double({ min: -1, max: 1_000, noNaN: true }), { maxLength: 200 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 50 }), (durations, window) => {
        const recent = new RecentDurations(window);
        for (const duration of durations) recent.add(duration);
        const expected = durations.slice(-window).map((duration) => Math.max(0, duration));
        expect([...recent.ascending()]).toEqual(expected.sort((a, b) => a - b));
        expect(recent.size).toBe(expected.length);
      }),
    );
  });
});
