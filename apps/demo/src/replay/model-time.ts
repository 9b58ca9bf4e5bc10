import { setTimeout as sleep } from 'node:timers/promises';

/** Model time: `scale` model seconds pass in one real second. */
export class ModelTime {
  readonly #startedAtMs = performance.now();

  constructor(readonly scale: number) {}

  /** Model seconds since the start. */
  get elapsedSeconds(): number {
    return ((performance.now() - this.#startedAtMs) / 1_000) * this.scale;
  }

  /** Resolves at a model time, at once if it has passed. Rejects with the signal's reason when that aborts. */
  async until(seconds: number, signal: AbortSignal): Promise<void> {
    await this.wait(seconds - this.elapsedSeconds, signal);
  }

  /** Resolves after model seconds. Rejects with the signal's reason when that aborts. */
  async wait(seconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (seconds > 0) await sleep((seconds * 1_000) / this.scale, undefined, { signal });
  }
}
