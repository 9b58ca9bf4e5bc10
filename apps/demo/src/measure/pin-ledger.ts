import { type ClientReadableStream, credentials, Metadata } from '@grpc/grpc-js';
import { kv } from '@holdfast/contracts';

/** What became of pins. */
export interface PinCounts {
  readonly set: number;
  readonly hit: number;
  readonly expired: number;
  readonly revoked: number;
}

/** Everything a ledger knows. */
export interface PinTotals extends PinCounts {
  /** Pinned tokens times model seconds, of pins that were hit. */
  readonly usedTokenSeconds: number;
  /** The same of all other pins. */
  readonly wastedTokenSeconds: number;
  /** Pin events that an engine dropped because this process was slow: the counts miss them. */
  readonly missedEvents: number;
}

interface LivePin {
  readonly tokens: number;
  readonly setAtSeconds: number;
}

/** Modelled seconds between stats, which nobody reads here. */
const STATS_INTERVAL_MS = 60_000;
const CONNECT_DEADLINE_MS = 10_000;
const CALL_DEADLINE_MS = 5_000;

/** Follows the pin events of one engine, which is the authority on residency. */
export class PinLedger {
  readonly #client: kv.KvControlClient;
  readonly #stream: ClientReadableStream<kv.WatchResponse>;
  readonly #now: () => number;
  readonly #live = new Map<string, LivePin>();
  readonly #totals = { set: 0, hit: 0, expired: 0, revoked: 0 };
  #usedTokenSeconds = 0;
  #wastedTokenSeconds = 0;
  #missedEvents = 0;
  #lastSequence = 0n;

  /** @param now - model seconds, from any origin. */
  constructor(address: string, now: () => number) {
    this.#now = now;
    this.#client = new kv.KvControlClient(address, credentials.createInsecure());
    this.#stream = this.#client.watch({ statsIntervalMs: STATS_INTERVAL_MS });
    this.#stream.on('data', ({ payload }: kv.WatchResponse) => {
      if (payload?.$case === 'pinEvent') this.#take(payload.value);
    });
    // The engine that ends takes its watch with it; `ready` reports one that never came up.
    this.#stream.on('error', () => undefined);
  }

  /** Resolves when the watch is up: every later pin event is seen. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the engine sent no pin events in time')), CONNECT_DEADLINE_MS);
      this.#stream.once('data', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#stream.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
    });
  }

  /** Pure. What has happened so far. */
  totals(): PinTotals {
    return {
      ...this.#totals,
      usedTokenSeconds: this.#usedTokenSeconds,
      wastedTokenSeconds: this.#wastedTokenSeconds,
      missedEvents: this.#missedEvents,
    };
  }

  /** The engine's own counters. */
  stats(): Promise<kv.KvStats> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + CALL_DEADLINE_MS };
      this.#client.getStats({}, new Metadata(), options, (error, { stats } = { stats: undefined }) => {
        if (error !== null) reject(error);
        else resolve(stats ?? kv.KvStats.create());
      });
    });
  }

  /** Modifies state. Ends the watch. */
  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #take({ sequence, change, pin }: kv.PinEvent): void {
    if (this.#lastSequence > 0n) this.#missedEvents += Number(sequence - this.#lastSequence - 1n);
    this.#lastSequence = sequence;
    if (pin === undefined) return;
    switch (change) {
      case kv.PinChange.SET:
        this.#totals.set += 1;
        this.#live.set(pin.programId, { tokens: pin.pinnedTokens, setAtSeconds: this.#now() });
        return;
      case kv.PinChange.HIT:
        this.#totals.hit += 1;
        return this.#end(pin.programId, 'used');
      case kv.PinChange.EXPIRED:
        this.#totals.expired += 1;
        return this.#end(pin.programId, 'wasted');
      case kv.PinChange.REVOKED:
        this.#totals.revoked += 1;
        return this.#end(pin.programId, 'wasted');
      case kv.PinChange.RELEASED:
        return this.#end(pin.programId, 'wasted');
      default: // Renewed pins live on; a change that this version does not know ends nothing.
    }
  }

  #end(programId: string, use: 'used' | 'wasted'): void {
    const pin = this.#live.get(programId);
    if (pin === undefined) return;
    this.#live.delete(programId);
    const tokenSeconds = pin.tokens * (this.#now() - pin.setAtSeconds);
    if (use === 'used') this.#usedTokenSeconds += tokenSeconds;
    else this.#wastedTokenSeconds += tokenSeconds;
  }
}
