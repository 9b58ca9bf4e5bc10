import type { CancelTimer, Clock } from '@holdfast/platform';
import type { Instant } from '@holdfast/scheduling';

/** The kernel's timers, one a key, on the clock of the platform. */
export class KernelTimers {
  readonly #clock: Clock;
  readonly #fire: (key: string) => void;
  readonly #pending = new Map<string, CancelTimer>();

  constructor(clock: Clock, fire: (key: string) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  /** Timers that wait. */
  get size(): number {
    return this.#pending.size;
  }

  /** Modifies state. Replaces an earlier timer of the key. */
  schedule(key: string, at: Instant): void {
    this.cancel(key);
    const cancel = this.#clock.schedule(at, () => {
      this.#pending.delete(key);
      this.#fire(key);
    });
    this.#pending.set(key, cancel);
  }

  /** Modifies state. A key without a timer is nothing to cancel. */
  cancel(key: string): void {
    this.#pending.get(key)?.();
    this.#pending.delete(key);
  }

  /** Modifies state. Cancels all. */
  close(): void {
    for (const cancel of this.#pending.values()) cancel();
    this.#pending.clear();
  }
}
