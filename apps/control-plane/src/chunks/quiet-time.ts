import { setTimeout as sleep } from 'node:timers/promises';

/** An engine that had no turn for so long is likely to have none for the next moment either. */
const QUIET_MS = 1_000;
const STEP_MS = 50;
/** All waits of one job together: after that its work is done among the turns. */
const MOST_WAIT_MS = 60_000;

/** Waits of a job for a time at which nobody else needs an engine. */
export class QuietTime {
  #leftMs = MOST_WAIT_MS;

  constructor(
    private readonly isBusy: () => boolean,
    private readonly signal: AbortSignal,
  ) {}

  /** Modifies state. Resolves when the engine was quiet for a while, or has been waited for long enough. @throws when aborted. */
  async wait(): Promise<void> {
    for (let quietMs = 0; quietMs < QUIET_MS && this.#leftMs > 0; quietMs += STEP_MS) {
      await sleep(STEP_MS, undefined, { signal: this.signal });
      this.#leftMs -= STEP_MS;
      if (this.isBusy()) quietMs = -STEP_MS;
    }
  }
}
