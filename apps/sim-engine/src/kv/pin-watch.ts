import type { ServerWritableStream } from '@grpc/grpc-js';
import { kv } from '@holdfast/contracts';
import { type CancelTimer, type Clock, invalidFields } from '@holdfast/platform';
import { after, type Duration, type Instant, millis } from '@holdfast/scheduling';
import type { ModelEvent } from '@holdfast/simulation';
import { BoundedStream } from '../bounded-stream.js';
import { tooMany } from '../vllm/kv-event-feed.js';
import { pinEventToProto } from './pin-mapping.js';

const DEFAULT_INTERVAL_MS = 1_000;
const SHORTEST_INTERVAL_MS = 10;
const LONGEST_INTERVAL_MS = 60_000;
const MAX_WATCHERS = 64;

/** Messages that wait for a slow watcher. Beyond it pin events are dropped, which their sequence numbers show. */
const MAX_HELD_MESSAGES = 1_024;

interface Watcher {
  readonly stream: BoundedStream<kv.WatchResponse>;
  cancelTick: CancelTimer;
}

/** KvControl.Watch: stats at an interval, and each pin event at once. */
export class PinWatch {
  private readonly watchers = new Set<Watcher>();
  private sequence = 0n;

  constructor(private readonly options: { readonly clock: Clock; readonly stats: () => kv.KvStats }) {}

  /**
   * Serves one watcher until it goes away; the first message carries stats. Modifies state.
   *
   * @throws DomainError FIELD_INVALID for an interval out of range, QUEUE_FULL when there are too many watchers.
   */
  watch(call: ServerWritableStream<kv.WatchRequest, kv.WatchResponse>): void {
    const interval = readInterval(call.request.statsIntervalMs);
    if (this.watchers.size >= MAX_WATCHERS) throw tooMany('watchers', MAX_WATCHERS);
    const stream = new BoundedStream(call, { maxWeight: MAX_HELD_MESSAGES, weigh: () => 1 }, () => {
      watcher.cancelTick();
      this.watchers.delete(watcher);
    });
    const watcher: Watcher = { stream, cancelTick: () => undefined };
    this.watchers.add(watcher);
    this.tick(watcher, interval);
  }

  /** Sends the pin events among `events`. Modifies state. */
  publish(events: readonly ModelEvent[], at: Instant): void {
    for (const event of events) {
      if (event.type !== 'pin') continue;
      this.sequence += 1n;
      if (this.watchers.size === 0) continue;
      const value = pinEventToProto(event, this.sequence, at);
      for (const { stream } of this.watchers) stream.write({ payload: { $case: 'pinEvent', value } });
    }
  }

  /** Ends all streams. Modifies state. */
  close(error: unknown): void {
    for (const { stream } of [...this.watchers]) stream.fail(error);
  }

  private tick(watcher: Watcher, interval: Duration): void {
    const { clock, stats } = this.options;
    // A watcher that does not keep up gets newer stats later instead of old ones.
    if (watcher.stream.isKeepingUp) watcher.stream.write({ payload: { $case: 'stats', value: stats() } });
    if (this.watchers.has(watcher)) {
      watcher.cancelTick = clock.schedule(after(clock.now(), interval), () => this.tick(watcher, interval));
    }
  }
}

const readInterval = (intervalMs: number): Duration => {
  const asked = intervalMs === 0 ? DEFAULT_INTERVAL_MS : intervalMs;
  if (asked >= SHORTEST_INTERVAL_MS && asked <= LONGEST_INTERVAL_MS) return millis(asked);
  const description = `is ${intervalMs}; allowed: 0, or ${SHORTEST_INTERVAL_MS} to ${LONGEST_INTERVAL_MS}`;
  throw invalidFields([{ field: 'stats_interval_ms', description }]);
};
