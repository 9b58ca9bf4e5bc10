import type { CancelTimer, Clock } from '@holdfast/platform';
import { DomainError } from '@holdfast/platform';
import { instant, seconds, type Instant } from '@holdfast/scheduling';

/** Requests that wait or run at most. */
const MOST_REQUESTS = 256;

/** Something that takes the lane for a while. */
export interface LaneWork {
  readonly micros: number;
  /** It is its turn: when it begins, and how long it has waited, microseconds. */
  begin(at: Instant, waitedMicros: number): void;
  /** The lane is closed; nothing more happens. */
  fail(error: unknown): void;
}

interface Entry {
  readonly work: LaneWork;
  readonly arrivedAt: Instant;
}

/** One request at a time, in order of arrival; one that leaves makes room at once. */
export class SerialLane {
  readonly #entries: Entry[] = [];
  readonly #timers = new Set<CancelTimer>();
  #stopEnd: CancelTimer = () => undefined;

  constructor(private readonly clock: Clock) {}

  /** Modifies state. The work begins when the lane is free. Returns what takes it out of the lane. @throws QUEUE_FULL. */
  take(work: LaneWork): () => void {
    if (this.#entries.length >= MOST_REQUESTS) {
      throw new DomainError({
        kind: 'exhausted',
        reason: 'QUEUE_FULL',
        message: `${this.#entries.length} requests are in the engine; allowed: ${MOST_REQUESTS}`,
        retryAfter: seconds(1),
      });
    }
    const entry = { work, arrivedAt: this.clock.now() };
    this.#entries.push(entry);
    if (this.#entries[0] === entry) this.#begin(entry, entry.arrivedAt);
    return () => this.#leave(entry, this.clock.now());
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

  /** Modifies state. Nothing fires any more, and all work has failed. */
  close(error: unknown): void {
    for (const cancel of [...this.#timers]) cancel();
    for (const { work } of this.#entries.splice(0)) work.fail(error);
  }

  #begin(entry: Entry, at: Instant): void {
    const endsAt = instant(at + Math.ceil(entry.work.micros));
    this.#stopEnd = this.at(endsAt, () => this.#leave(entry, endsAt));
    entry.work.begin(at, at - entry.arrivedAt);
  }

  #leave(entry: Entry, at: Instant): void {
    const place = this.#entries.indexOf(entry);
    if (place < 0) return;
    this.#entries.splice(place, 1);
    if (place > 0) return;
    this.#stopEnd();
    const [next] = this.#entries;
    // One that came later than the end that is being told has not waited.
    if (next !== undefined) this.#begin(next, instant(Math.max(at, next.arrivedAt)));
  }
}
