import { describe, expect, it } from '@jest/globals';
import { instant, micros } from '@holdfast/scheduling';
import { VirtualClock } from './virtual-clock.js';

describe('virtual clock', () => {
  it('moves when told to', () => {
    const clock = new VirtualClock(instant(5));
    clock.advanceTo(instant(5));
    clock.advanceBy(micros(7));
    expect(clock.now).toBe(12);
    expect(new VirtualClock().now).toBe(0);
  });

  it('never goes back', () => {
    const clock = new VirtualClock(instant(5));
    expect(() => clock.advanceTo(instant(4))).toThrow(/cannot go to 4 us; allowed is its time 5 us/);
    expect(() => clock.advanceBy(micros(-1))).toThrow(RangeError);
    expect(() => clock.advanceTo(Number.NaN as never)).toThrow(RangeError);
    expect(clock.now).toBe(5);
  });
});
