import type { ModelEvent, PinChange, RevocationReason } from './model-event.js';
import type { ModelPin } from './model-pin.js';

/** Collects events until they are drained. Consecutive removals become one event. */
export class EventLog {
  private events: ModelEvent[] = [];
  private removed: number[] = [];

  constructor(
    /** False drops `stored` and `removed`. */
    readonly recordsKv: boolean,
  ) {}

  /** Modifies state. */
  pin(change: PinChange, pin: ModelPin, reason?: RevocationReason): void {
    this.flushRemoved();
    this.events.push(reason === undefined ? { type: 'pin', change, pin } : { type: 'pin', change, pin, reason });
  }

  /** Modifies state. */
  stored(blockHashes: readonly number[], parentHash: number | null, tokenIds: Uint32Array): void {
    if (!this.recordsKv) return;
    this.flushRemoved();
    this.events.push({ type: 'stored', blockHashes, parentHash, tokenIds });
  }

  /** Modifies state. */
  blockRemoved(blockHash: number): void {
    if (this.recordsKv) this.removed.push(blockHash);
  }

  /** Modifies state: hands over what happened since the last call. */
  drain(): readonly ModelEvent[] {
    this.flushRemoved();
    const drained = this.events;
    this.events = [];
    return drained;
  }

  private flushRemoved(): void {
    if (this.removed.length === 0) return;
    this.events.push({ type: 'removed', blockHashes: this.removed });
    this.removed = [];
  }
}
