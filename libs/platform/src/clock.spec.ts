import { after, instant, micros, millis, seconds } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { systemClock } from './clock.js';
import { ManualClock } from './manual-clock.js';

describe('systemClock', () => {
  it('starts at the wall time and never goes backwards', () => {
    const before = Date.now() * 1_000;
    const clock = systemClock();
    const readings = Array.from({ length: 1_000 }, () => clock.now());
    expect(readings[0]).toBeGreaterThanOrEqual(before);
    expect(readings).toEqual([...readings].sort((a, b) => a - b));
    expect(readings.every(Number.isSafeInteger)).toBe(true);
  });

  it('is not moved by a step of the wall clock', () => {
    const clock = systemClock();
    const wallClock = Date.now;
    try {
      Date.now = () => 0;
      expect(clock.now()).toBeGreaterThan(1_600_000_000_000_000);
    } finally {
      Date.now = wallClock;
    }
  });

  it('runs as many times faster as its scale says', async () => {
    const clock = systemClock({ scale: 1_000 });
    const start = clock.now();
    await new Promise<void>((resolve) => clock.schedule(after(start, seconds(20)), resolve));
    expect(clock.now() - start).toBeGreaterThanOrEqual(seconds(20));
  });

  it('never fires a timer early, and not within schedule itself', async () => {
    const clock = systemClock();
    for (const lengthMicros of [-5_000, 0, 400, 1_000, 2_700]) {
      const at = after(clock.now(), micros(lengthMicros));
      let isWithin = true;
      const fired = new Promise<{ lateMicros: number; wasWithin: boolean }>((resolve) => {
        clock.schedule(at, () => resolve({ lateMicros: clock.now() - at, wasWithin: isWithin }));
      });
      isWithin = false;
      const { lateMicros, wasWithin } = await fired;
      expect(lateMicros).toBeGreaterThanOrEqual(0);
      expect(wasWithin).toBe(false);
    }
  });

  it('takes a timer back, and waits longer than a Node timer can', async () => {
    const clock = systemClock();
    const fired: string[] = [];
    const cancelSoon = clock.schedule(after(clock.now(), millis(5)), () => fired.push('cancelled'));
    const cancelFar = clock.schedule(after(clock.now(), seconds(100 * 24 * 3_600)), () => fired.push('in 100 days'));
    cancelSoon();
    cancelSoon();
    await new Promise<void>((resolve) => clock.schedule(after(clock.now(), millis(20)), resolve));
    cancelFar();
    expect(fired).toEqual([]);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses scale %p', (scale) => {
    expect(() => systemClock({ scale })).toThrow(`scale is ${scale}; allowed is a finite number above 0`);
  });
});

describe('ManualClock', () => {
  it('fires timers in the order of instant and registration, at their instants, those set meanwhile included', () => {
    const clock = new ManualClock(instant(100));
    const fired: [string, number][] = [];
    const fire = (name: string) => () => void fired.push([name, clock.now()]);
    clock.schedule(instant(130), fire('late'));
    clock.schedule(instant(110), () => {
      fire('first')();
      clock.schedule(instant(120), fire('set meanwhile'));
    });
    clock.schedule(instant(110), fire('second'));
    clock.schedule(instant(90), fire('past'));
    clock.schedule(instant(115), fire('cancelled'))();
    clock.advance(micros(25));
    expect(fired).toEqual([
      ['past', 100],
      ['first', 110],
      ['second', 110],
      ['set meanwhile', 120],
    ]);
    expect(clock.now()).toBe(125);
    expect(clock.pendingTimers).toBe(1);
  });

  it('does not go backwards', () => {
    const clock = new ManualClock(instant(100));
    clock.advanceTo(instant(50));
    expect(clock.now()).toBe(100);
  });
});
