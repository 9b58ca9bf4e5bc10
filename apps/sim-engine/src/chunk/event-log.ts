import type { ServerWritableStream } from '@grpc/grpc-js';
import { chunk } from '@holdfast/contracts';
import { BoundedStream } from '../bounded-stream.js';

/** Events that are kept for watchers who come back. */
const MOST_EVENTS = 10_000;
/** Events held back for a slow watcher. */
const MOST_HELD = 10_000;

type WatchCall = ServerWritableStream<chunk.WatchEventsRequest, chunk.WatchEventsResponse>;

/** What happened to stored KV, in order, for those who watch and those who come back. */
export class EventLog {
  readonly #events: chunk.Event[] = [];
  readonly #watchers = new Set<BoundedStream<chunk.WatchEventsResponse>>();
  #sequence = 0;

  constructor(private readonly epoch: string) {}

  /** Sequence of the last event. */
  get sequence(): bigint {
    return BigInt(this.#sequence);
  }

  /** Modifies state. */
  add(event: Partial<Omit<chunk.Event, 'sequence'>> & Pick<chunk.Event, 'kind'>): void {
    this.#sequence += 1;
    const whole = chunk.Event.fromPartial({ ...event, sequence: this.sequence });
    this.#events.push(whole);
    if (this.#events.length > MOST_EVENTS) this.#events.shift();
    for (const watcher of this.#watchers) this.#send(watcher, whole);
  }

  /** Modifies state. Serves a watcher: what it missed, then what happens. */
  watch(call: WatchCall): void {
    const bound = { maxWeight: MOST_HELD, weigh: () => 1 };
    const watcher = new BoundedStream<chunk.WatchEventsResponse>(call, bound, () => this.#watchers.delete(watcher));
    this.#watchers.add(watcher);
    const { epoch, since } = call.request;
    const first = this.#events[0]?.sequence ?? this.sequence + 1n;
    const isGap = (epoch !== '' && epoch !== this.epoch) || since + 1n < first || since > this.sequence;
    if (isGap) {
      watcher.write({ epoch: this.epoch, payload: { $case: 'gapUntil', value: this.sequence } });
      return;
    }
    for (const event of this.#events) if (event.sequence > since) this.#send(watcher, event);
  }

  /** Modifies state. Ends all streams. */
  close(error: unknown): void {
    for (const watcher of this.#watchers) watcher.fail(error);
  }

  #send(watcher: BoundedStream<chunk.WatchEventsResponse>, event: chunk.Event): void {
    if (watcher.write({ epoch: this.epoch, payload: { $case: 'event', value: event } })) return;
    watcher.fail(new Error('the watcher is too slow'));
  }
}
