import { type Duration, type Instant, after, instant } from '@holdfast/scheduling';
import type { CancelTimer, Clock } from './clock.js';

interface PendingTimer {
  readonly at: Instant;
  readonly sequence: number;
  readonly fire: () => void;
}

/** A clock that moves only when told to, for tests. Timers fire in the order of (instant, registration). */
export class ManualClock implements Clock {
  private current: Instant;
  private nextSequence = 0;
  private readonly pending = new Set<PendingTimer>();

  constructor(start: Instant = instant(0)) {
    this.current = start;
  }

  now(): Instant {
    return this.current;
  }

  schedule(at: Instant, fire: () => void): CancelTimer {
    const timer: PendingTimer = { at, sequence: this.nextSequence++, fire };
    this.pending.add(timer);
    return () => void this.pending.delete(timer);
  }

  /** Timers that wait. Pure. */
  get pendingTimers(): number {
    return this.pending.size;
  }

  /** Moves by `length` and fires what falls due on the way, timers set meanwhile included. Modifies state. */
  advance(length: Duration): void {
    this.advanceTo(after(this.current, length));
  }

  /** Moves to `target`; an instant that has passed only fires what is due now. Modifies state. */
  advanceTo(target: Instant): void {
    for (let timer = this.earliest(); timer && timer.at <= target; timer = this.earliest()) {
      this.pending.delete(timer);
      this.current = instant(Math.max(this.current, timer.at));
      timer.fire();
    }
    this.current = instant(Math.max(this.current, target));
  }

  private earliest(): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.pending) {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.sequence < first.sequence)) first = timer;
    }
    return first;
  }
}
