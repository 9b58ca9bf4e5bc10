import type { ServerWritableStream } from '@grpc/grpc-js';
import type { vllm } from '@holdfast/contracts';
import { type CancelTimer, type Clock, DomainError } from '@holdfast/platform';
import { after, type Duration, millis, seconds } from '@holdfast/scheduling';
import type { KvRemovedEvent, KvStoredEvent, ModelEvent } from '@holdfast/simulation';
import { BoundedStream } from '../bounded-stream.js';

/** Token ids and block hashes that wait for a slow subscriber, over all its batches. */
const MAX_HELD_NUMBERS = 1_000_000;

const MAX_SUBSCRIBERS = 64;

/** What a {@link KvEventFeed} is made of. */
export interface KvEventFeedOptions {
  readonly clock: Clock;
  readonly blockTokens: number;
  /** Model milliseconds between two load records on an idle stream. */
  readonly heartbeatMs: number;
  /** The engine's load now. */
  readonly load: (record: { readonly sample: bigint; readonly loadOnly: boolean }) => vllm.EngineLoad;
}

interface Subscriber {
  readonly stream: BoundedStream<vllm.KvEventBatch>;
  /** Sequence number that load records repeat; undefined until the stream may carry them. */
  lastSequence: bigint | undefined;
}

/**
 * SubscribeKvEvents: blocks stored and removed, in order, with the engine's load on each batch, and load alone at an
 * interval. There is no replay: a subscriber starts from now. One that falls too far behind is ended with
 * RESOURCE_EXHAUSTED and subscribes again. Without subscribers it has no timer and builds no message.
 */
export class KvEventFeed {
  private readonly subscribers = new Set<Subscriber>();
  private readonly heartbeat: Duration;
  private sequence = 0n;
  private events = 0n;
  private samples = 0n;
  private cancelHeartbeat: CancelTimer | undefined;

  constructor(private readonly options: KvEventFeedOptions) {
    this.heartbeat = millis(options.heartbeatMs);
  }

  /** Serves one subscriber until it goes away. Modifies state. */
  subscribe(call: ServerWritableStream<vllm.SubscribeKvEventsRequest, vllm.KvEventBatch>): void {
    const stream = new BoundedStream(call, { maxWeight: MAX_HELD_NUMBERS, weigh: weightOf }, () =>
      this.remove(subscriber),
    );
    const subscriber: Subscriber = {
      stream,
      lastSequence: call.request.loadRecordsBeforeFirstBatch ? 0n : undefined,
    };
    if (this.subscribers.size >= MAX_SUBSCRIBERS) {
      stream.fail(tooMany('event subscribers', MAX_SUBSCRIBERS));
      return;
    }
    this.subscribers.add(subscriber);
    this.sendLoad(subscriber);
    this.cancelHeartbeat ??= this.scheduleHeartbeat();
  }

  /** Publishes the cache events among `events` as one batch. Modifies state. */
  publish(events: readonly ModelEvent[]): void {
    const cacheEvents = events.filter((event) => event.type !== 'pin');
    if (cacheEvents.length > 0) this.send(() => cacheEvents.map((event) => this.toData(event)));
  }

  /** Publishes that everything cached is gone. Modifies state. */
  publishCleared(): void {
    this.send(() => [{ $case: 'cleared', value: {} }]);
  }

  /** Ends all streams. Modifies state. */
  close(error: unknown): void {
    for (const { stream } of [...this.subscribers]) stream.fail(error);
  }

  private send(build: () => NonNullable<vllm.KvCacheEvent['data']>[]): void {
    this.sequence += 1n;
    if (this.subscribers.size === 0) return;
    const events = build().map((data) => ({ eventId: (this.events += 1n), data }));
    const batch = this.batch(this.sequence, events, false);
    for (const subscriber of [...this.subscribers]) {
      subscriber.lastSequence = this.sequence;
      if (!subscriber.stream.write(batch)) subscriber.stream.fail(tooSlow());
    }
  }

  private sendLoad(subscriber: Subscriber): void {
    const { lastSequence, stream } = subscriber;
    // A peer that does not keep up gets its load with the next batch.
    if (lastSequence !== undefined && stream.isKeepingUp) stream.write(this.batch(lastSequence, [], true));
  }

  private batch(sequenceNumber: bigint, events: vllm.KvCacheEvent[], loadOnly: boolean): vllm.KvEventBatch {
    this.samples += 1n;
    return {
      sequenceNumber,
      timestamp: this.options.clock.now() / 1e6,
      events,
      dpRank: 0,
      load: this.options.load({ sample: this.samples, loadOnly }),
    };
  }

  private scheduleHeartbeat(): CancelTimer {
    return this.options.clock.schedule(after(this.options.clock.now(), this.heartbeat), () => {
      for (const subscriber of this.subscribers) this.sendLoad(subscriber);
      this.cancelHeartbeat = this.subscribers.size > 0 ? this.scheduleHeartbeat() : undefined;
    });
  }

  private remove(subscriber: Subscriber): void {
    this.subscribers.delete(subscriber);
    if (this.subscribers.size > 0) return;
    this.cancelHeartbeat?.();
    this.cancelHeartbeat = undefined;
  }

  private toData(event: KvStoredEvent | KvRemovedEvent): NonNullable<vllm.KvCacheEvent['data']> {
    if (event.type === 'removed') {
      return { $case: 'removed', value: { blockHashes: event.blockHashes.map((hash) => BigInt(hash)) } };
    }
    const { blockTokens } = this.options;
    const blocks = event.blockHashes.map((hash, index) => ({
      blockHash: BigInt(hash),
      tokenIds: Array.from(event.tokenIds.subarray(index * blockTokens, (index + 1) * blockTokens)),
      blockSize: blockTokens,
    }));
    const parent = event.parentHash === null ? {} : { parentBlockHash: BigInt(event.parentHash) };
    return { $case: 'stored', value: { blocks, ...parent } };
  }
}

const weightOf = (batch: vllm.KvEventBatch): number => {
  let numbers = 1;
  for (const { data } of batch.events) {
    if (data?.$case === 'removed') numbers += data.value.blockHashes.length;
    if (data?.$case === 'stored') for (const block of data.value.blocks) numbers += block.tokenIds.length + 1;
  }
  return numbers;
};

const tooSlow = (): DomainError =>
  new DomainError({
    kind: 'exhausted',
    reason: 'QUEUE_FULL',
    message: `the subscriber does not keep up: more than ${MAX_HELD_NUMBERS} numbers wait for it; subscribe again`,
    retryAfter: seconds(1),
  });

/** Pure. The error of a stream that is one too many. */
export const tooMany = (what: string, most: number): DomainError =>
  new DomainError({
    kind: 'exhausted',
    reason: 'QUEUE_FULL',
    message: `there are ${most} ${what} already; allowed: ${most}`,
    retryAfter: seconds(1),
  });
