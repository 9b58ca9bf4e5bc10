import type { WatchEvent } from '../engine-client.js';
import type { EngineError } from '../engine-error.js';

/** Events that wait for a slow watcher; more than this many are a bug of the test. */
const MAX_WAITING = 10_000;

/** One open watch: events go in at once and come out when pulled. */
export class FakeWatcher {
  private readonly waiting: WatchEvent[] = [];
  private failure: EngineError | undefined;
  private isClosed = false;
  private wake: () => void = () => undefined;

  /** A load replaces one that still waits at the end. Modifies state. */
  push(event: WatchEvent): void {
    if (event.type === 'load' && this.waiting.at(-1)?.type === 'load') this.waiting.pop();
    if (this.waiting.length >= MAX_WAITING) throw new RangeError(`${MAX_WAITING} watch events wait; nobody pulls`);
    this.waiting.push(event);
    this.wake();
  }

  /** Ends the watch after what waits; with an error where one is given. Modifies state. */
  close(error?: EngineError): void {
    this.failure ??= error;
    this.isClosed = true;
    this.wake();
  }

  /** The events, until closed. */
  async *events(): AsyncGenerator<WatchEvent, void> {
    for (;;) {
      const event = this.waiting.shift();
      if (event !== undefined) yield event;
      else if (this.failure !== undefined) throw this.failure;
      else if (this.isClosed) return;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
