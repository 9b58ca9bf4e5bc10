import { DomainError } from '@holdfast/platform';
import { millis, toMillisCeil, type Duration } from '@holdfast/scheduling';

/** What absence is watched with. */
export interface EngineAbsenceOptions {
  /** Waiting turns are given up when no engine has been there for so long, in real time. */
  readonly limit: Duration;
  readonly attached: () => number;
  /** Fails the turns that wait. */
  readonly failWaiting: (error: DomainError) => void;
}

/**
 * A pool without engines: turns wait a while for one to come back, so that a restart of the only engine is a delay and
 * not a failure; after that they fail, and new ones are refused at once.
 */
export class EngineAbsence {
  readonly #options: EngineAbsenceOptions;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(options: EngineAbsenceOptions) {
    this.#options = options;
  }

  /** Modifies state. To be called when an engine was attached or lost, and once at the start. */
  changed(): void {
    if (this.#options.attached() > 0) {
      this.close();
      this.#isOver = false;
      return;
    }
    if (this.#timer !== null || this.#isOver) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#isOver = true;
      this.#options.failWaiting(this.#error());
    }, toMillisCeil(this.#options.limit));
  }

  /** @throws DomainError ENGINE_UNREACHABLE when no engine has been there for longer than the limit. */
  requireEngines(): void {
    if (this.#isOver) throw this.#error();
  }

  /** Modifies state. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #error(): DomainError {
    return new DomainError({
      kind: 'unavailable',
      reason: 'ENGINE_UNREACHABLE',
      message: `no engine of the pool has been there for ${toMillisCeil(this.#options.limit)} ms; try again later`,
      retryAfter: millis(1_000),
    });
  }
}
