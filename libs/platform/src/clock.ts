/**
 * Time at the edge. The kernel takes `now` as a value; the shell reads it here, once per event.
 *
 * Invariants: `now()` never decreases; a timer never fires before its instant.
 */
import { type Instant, instant } from '@holdfast/scheduling';

/** Takes a timer back. Calling it again, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

/** Reads time and wakes callers. */
export interface Clock {
  /** Integer microseconds since the Unix epoch. Never decreases. */
  now(): Instant;
  /** Calls `fire` once, at or soon after `at`, never within this call. An instant that has passed fires at once. */
  schedule(at: Instant, fire: () => void): CancelTimer;
}

/** Options of {@link systemClock}. */
export interface SystemClockOptions {
  /** Clock seconds per real second; above 0. 20 makes a simulated minute last three real seconds. Default 1. */
  readonly scale?: number;
}

/** Node reads a larger delay as 1 ms; a longer wait is made of several. */
const longestDelayMillis = 2 ** 31 - 1;

/**
 * A clock that starts at the wall time and then follows the monotonic clock times `scale`, so a step of the wall clock
 * (NTP, an operator) moves nothing. Pending timers keep the process alive. Throws RangeError on a bad scale.
 */
export function systemClock(options: SystemClockOptions = {}): Clock {
  const scale = options.scale ?? 1;
  if (!Number.isFinite(scale) || scale <= 0) {
    throw new RangeError(`scale is ${scale}; allowed is a finite number above 0`);
  }
  const wallStartMicros = Date.now() * 1_000;
  const monotonicStartMillis = performance.now();
  const now = (): Instant =>
    instant(wallStartMicros + Math.floor((performance.now() - monotonicStartMillis) * 1_000 * scale));

  const schedule = (at: Instant, fire: () => void): CancelTimer => {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const delayMillis = Math.ceil((at - now()) / (1_000 * scale));
      timer = setTimeout(onTimer, Math.min(Math.max(delayMillis, 0), longestDelayMillis));
    };
    // Node may wake up to a millisecond early and the delay may have been cut: look again.
    const onTimer = (): void => (now() >= at ? fire() : arm());
    arm();
    return () => clearTimeout(timer);
  };
  return { now, schedule };
}
