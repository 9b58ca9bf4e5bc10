import { after, type Duration, instant, type Instant } from '@holdfast/scheduling';

/** Time of a simulation: moves only when told to, and never back. */
export class VirtualClock {
  private time: Instant;

  constructor(start: Instant = instant(0)) {
    this.time = start;
  }

  /** Pure. */
  get now(): Instant {
    return this.time;
  }

  /** Modifies state. Throws a RangeError for a time in the past. */
  advanceTo(at: Instant): void {
    if (!(at >= this.time)) {
      throw new RangeError(`clock cannot go to ${at} us; allowed is its time ${this.time} us or later`);
    }
    this.time = at;
  }

  /** Modifies state. Throws a RangeError for a negative length. */
  advanceBy(length: Duration): void {
    this.advanceTo(after(this.time, length));
  }
}
