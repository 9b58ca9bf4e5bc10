import type { CancelTimer, Clock } from '@holdfast/platform';
import { DomainError } from '@holdfast/platform';
import { instant, seconds, type Instant } from '@holdfast/scheduling';

/** Requests that wait at most. */
const MOST_WAITING = 256;

/** One request at a time, in order of arrival: when does the next one begin? */
export class SerialLane {
  #freeAt: Instant = instant(0);
  readonly #timers = new Set<CancelTimer>();
  #waiting = 0;

  constructor(private readonly clock: Clock) {}

  /** Requests that wait or run. */
  get length(): number {
    return this.#waiting;
  }

  /** Modifies state: takes the lane for some microseconds. Returns when the work begins and how long it waits. Throws QUEUE_FULL. */
  take(micros: number): { readonly begin: Instant; readonly waited: number } {
    if (this.#waiting >= MOST_WAITING) {
      throw new DomainError({
        kind: 'exhausted',
        reason: 'QUEUE_FULL',
        message: `${this.#waiting} requests are in the engine; allowed: ${MOST_WAITING}`,
        retryAfter: seconds(1),
      });
    }
    const now = this.clock.now();
    const begin = instant(Math.max(now, this.#freeAt));
    this.#freeAt = instant(begin + Math.ceil(micros));
    this.#waiting += 1;
    this.at(this.#freeAt, () => (this.#waiting -= 1));
    return { begin, waited: begin - now };
  }

  /** Modifies state: calls once, at an instant. */
  at(when: Instant, fire: () => void): CancelTimer {
    const cancel = this.clock.schedule(when, () => {
      this.#timers.delete(stop);
      fire();
    });
    const stop = (): void => {
      this.#timers.delete(stop);
      cancel();
    };
    this.#timers.add(stop);
    return stop;
  }

  /** Modifies state. Nothing fires any more. */
  close(): void {
    for (const cancel of [...this.#timers]) cancel();
  }
}
