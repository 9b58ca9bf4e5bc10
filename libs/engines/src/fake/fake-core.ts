import { randomUUID } from 'node:crypto';
import type { PinTerms, ProgramId } from '@holdfast/scheduling';
import type { EngineLoad } from '@holdfast/scheduling';
import type { HeldPin, WatchEvent } from '../engine-client.js';
import { EngineError, type EngineErrorReason } from '../engine-error.js';
import { type FakeEngineOptions, type ResolvedFakeOptions, resolveOptions } from './fake-engine-options.js';
import { FakeKvPool } from './fake-kv-pool.js';
import { FakePins } from './fake-pins.js';
import type { FakeWatcher } from './fake-watchers.js';

/** What goes wrong, until healed. */
export type FakeFault =
  /** Nothing answers. */
  | { readonly type: 'unreachable' }
  /** A stream falls silent after so many tokens, until its idle deadline. */
  | { readonly type: 'hang'; readonly afterTokens: number }
  /** A stream breaks the protocol after so many tokens. */
  | { readonly type: 'garbage'; readonly afterTokens: number }
  /** A stream is cut after so many tokens. */
  | { readonly type: 'cut'; readonly afterTokens: number };

/** A request inside the fake engine. */
export interface FakeRun {
  readonly requestId: string;
  /** Its place among those that wait, smaller first. */
  rank: number;
  /** Ends the wait that it is in, if any. */
  interrupt: (error: EngineError) => void;
}

/** A request that waits for a place in the batch, and what lets it go on. */
export interface FakeWait {
  readonly run: FakeRun;
  readonly go: () => void;
}

/** The state of the fake engine between calls: epoch, pool, pins, running requests, watchers, fault. */
export class FakeCore {
  readonly options: ResolvedFakeOptions;
  /** Requests inside, running or waiting. */
  readonly requests = new Set<FakeRun>();
  readonly running = new Set<FakeRun>();
  /** In order of arrival. */
  readonly waiting: FakeWait[] = [];
  readonly watchers = new Set<FakeWatcher>();
  /** Blocks of each program's last finished turn. */
  readonly lastTurn = new Map<ProgramId, readonly string[]>();
  readonly pins: FakePins;
  pool: FakeKvPool;
  fault: FakeFault | undefined;
  private starts = 1;
  private readonly mark = randomUUID().slice(0, 8);

  constructor(options: FakeEngineOptions) {
    this.options = resolveOptions(options);
    this.pool = this.emptyPool();
    this.pins = new FakePins({
      clock: this.options.clock,
      blockTokens: this.options.blockTokens,
      pool: () => this.pool,
      onChange: (change, pin, reason) =>
        this.publish({ type: 'pin', epoch: this.epoch, change, pin, ...(reason === undefined ? {} : { reason }) }),
    });
  }

  get epoch(): string {
    return `${this.options.engineId}-${this.mark}-${this.starts}`;
  }

  /** Throws while the engine cannot be reached. */
  requireReachable(): void {
    if (this.fault?.type === 'unreachable') throw this.error('ENGINE_UNREACHABLE', 'connection refused');
  }

  /** Throws for a stock engine. */
  requirePins(): void {
    this.requireReachable();
    if (!this.options.capabilities.pins) throw this.error('ENGINE_CAPABILITY_MISSING', 'the engine has no KvControl');
  }

  /** Throws for an epoch that is over; an empty one is any. */
  requireEpoch(epoch: string): void {
    if (epoch !== '' && epoch !== this.epoch) {
      throw this.error('EPOCH_STALE', `epoch is ${epoch}; the current one is ${this.epoch}`);
    }
  }

  /** Pins the program's last finished turn. Modifies state. */
  setPin(programId: ProgramId, terms: PinTerms): HeldPin {
    const last = this.lastTurn.get(programId) ?? [];
    const keys = last.slice(0, this.pool.residentRun(last));
    if (keys.length === 0) throw this.error('KV_NOT_RESIDENT', `program ${programId} has no KV here`);
    const cap = Math.floor(this.options.totalBlocks * this.options.maxPinnedFraction);
    const pinned = terms.soft ? 0 : this.pool.hardPinnedWith(keys);
    if (pinned > cap) throw this.error('PIN_CAP_REACHED', `${pinned} blocks would be pinned; at most ${cap} may be`);
    return this.pins.set(programId, keys, terms);
  }

  /** Gives a request that is inside another rank. False when there is none of this id. Modifies state. */
  rerank(requestId: string, rank: number): boolean {
    for (const run of this.requests) {
      if (run.requestId !== requestId) continue;
      run.rank = rank;
      return true;
    }
    return false;
  }

  /** The waiting request of smallest rank goes on; of several, the one that came first. Modifies state. */
  letNextGo(): void {
    const next = this.waiting.reduce<FakeWait | undefined>(
      (best, wait) => (best === undefined || wait.run.rank < best.run.rank ? wait : best),
      undefined,
    );
    if (next === undefined) return;
    this.waiting.splice(this.waiting.indexOf(next), 1);
    next.go();
  }

  load(): EngineLoad {
    const requests = { runningRequests: this.running.size, waitingRequests: this.waiting.length };
    return { ...this.pool.counts(), ...requests };
  }

  publish(event: WatchEvent): void {
    for (const watcher of this.watchers) watcher.push(event);
  }

  /** Everything in memory is lost, requests and watches fail. Modifies state. */
  restart(): void {
    this.starts += 1;
    this.loseAll('ENGINE_RESTARTED', 'the engine restarted');
    this.pins.clear();
    this.lastTurn.clear();
    this.pool = this.emptyPool();
  }

  /** Ends requests and watches. Modifies state. */
  loseAll(watchReason: EngineErrorReason, message: string): void {
    for (const run of [...this.requests]) run.interrupt(this.error('ENGINE_UNREACHABLE', message));
    for (const watcher of this.watchers) watcher.close(this.error(watchReason, message));
    this.watchers.clear();
  }

  error(reason: EngineErrorReason, message: string): EngineError {
    return new EngineError({ reason, engineId: this.options.engineId, message });
  }

  private emptyPool(): FakeKvPool {
    const { totalBlocks, blockTokens } = this.options;
    return new FakeKvPool({ totalBlocks, blockTokens, revokePin: () => this.pins.revokeLowest() });
  }
}
