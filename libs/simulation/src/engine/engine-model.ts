import type { Instant, PinTerms } from '@holdfast/scheduling';
import { StepTimer } from '../steps/step-timer.js';
import { BlockPool } from './block-pool.js';
import { type EngineModelOptions, validateEngineOptions } from './engine-options.js';
import { EventLog } from './event-log.js';
import { HostTier } from './host-tier.js';
import { KvMemory } from './kv-memory.js';
import type { ModelEvent } from './model-event.js';
import { type ModelPin, validatePinTerms } from './model-pin.js';
import { type ModelRequest, validateModelRequest } from './model-request.js';
import type { ModelStats } from './model-stats.js';
import { PinTable } from './pin-table.js';
import { ProgramHistory } from './program-history.js';
import { RequestState } from './request-state.js';
import { stepBatchOf } from './step-batch.js';
import type { FinishedRequest, ProducedToken, StepOutcome } from './step-outcome.js';
import { type ScheduledStep, StepScheduler } from './step-scheduler.js';

/** Keys remembered of finished requests, per block of the pool: prefixes that programs share are remembered for each. */
const REMEMBERED_KEYS_PER_BLOCK = 32;

interface StepUnderWay extends ScheduledStep {
  readonly endsAt: Instant;
}

/**
 * A vLLM-style engine at block level: paged KV with a prefix cache, continuous batching with chunked prefill, pins.
 *
 * The driver owns time: it calls `startStep`, waits until `endsAt`, calls `finishStep`, and again while `hasWork`.
 * Between the two it may submit, abort and pin. Every method that takes `now` first ends the pins whose time has come,
 * so `drainEvents` is worth reading after any call. `now` must not decrease.
 */
export class EngineModel {
  private readonly log: EventLog;
  private readonly host: HostTier;
  private readonly pool: BlockPool;
  private readonly pinTable: PinTable;
  private readonly memory: KvMemory;
  private readonly scheduler: StepScheduler;
  private readonly history: ProgramHistory;
  private readonly requests = new Map<string, RequestState>();
  private rejected: ModelRequest[] = [];
  private readonly timer: StepTimer;
  private step: StepUnderWay | null = null;
  private arrivals = 0;
  private outputTokens = 0;

  /** Throws a RangeError when an option is out of range. */
  constructor(
    /** As given. */
    readonly options: EngineModelOptions,
  ) {
    validateEngineOptions(options);
    this.log = new EventLog(options.recordKvEvents ?? true);
    this.host = new HostTier(options.host?.blocks ?? 0);
    this.pool = new BlockPool(options.totalBlocks, this.log, this.host);
    this.pinTable = new PinTable(this.pool, this.log, options.blockTokens, options.maxPinnedFraction);
    this.memory = new KvMemory(this.pool, this.pinTable, this.log, this.host, options.blockTokens);
    this.scheduler = new StepScheduler(options, this.pool, this.pinTable, this.memory);
    this.timer = new StepTimer(options.stepTime, options.host?.reloadMicrosPerToken);
    this.history = new ProgramHistory(options.totalBlocks * REMEMBERED_KEYS_PER_BLOCK);
  }

  /** Pure. Names this life of the engine. */
  get epoch(): string {
    return this.options.epoch;
  }

  /**
   * Modifies state. Queues a request. One that can never fit the pool ends with the next `finishStep`, finish reason
   * `error`. Throws a RangeError for a request out of range or an id that is waiting or running already.
   */
  submit(request: ModelRequest, now: Instant): void {
    validateModelRequest(request);
    if (this.requests.has(request.requestId)) {
      throw new RangeError(`requestId ${request.requestId} is in the engine already; allowed is an id that is not`);
    }
    this.expire(now);
    const kvTokens = request.promptIds.length + request.outputTokens - 1;
    if (Math.ceil(kvTokens / this.options.blockTokens) > this.options.totalBlocks) {
      this.rejected.push(request);
      return;
    }
    this.arrivals += 1;
    const state = new RequestState(request, this.arrivals, this.options.blockTokens);
    this.requests.set(request.requestId, state);
    this.scheduler.waiting.add(state);
  }

  /** Modifies state. Drops a request and frees its blocks at once. False when it is not in the engine. */
  abort(requestId: string, now: Instant): boolean {
    this.expire(now);
    const remaining = this.rejected.filter((request) => request.requestId !== requestId);
    if (remaining.length < this.rejected.length) {
      this.rejected = remaining;
      return true;
    }
    const state = this.requests.get(requestId);
    if (state === undefined) return false;
    this.requests.delete(requestId);
    this.scheduler.remove(state);
    return true;
  }

  /** Modifies state. Gives a request that waits or runs another rank. False when it is not in the engine. */
  rerank(requestId: string, rank: number, now: Instant): boolean {
    if (Number.isNaN(rank)) throw new RangeError(`rank of ${requestId} is NaN; allowed is any number`);
    this.expire(now);
    const state = this.requests.get(requestId);
    if (state === undefined) return false;
    this.scheduler.rerank(state, rank);
    return true;
  }

  /**
   * Modifies state. Pins what is still resident of the program's last finished request, an unbroken prefix, in place of
   * a pin the program has. `not-resident`: nothing is. `cap-reached`: hard pins would exceed their share. In both cases
   * nothing changes. Throws a RangeError for terms out of range.
   */
  pin(programId: string, terms: PinTerms, now: Instant): ModelPin | 'not-resident' | 'cap-reached' {
    validatePinTerms(terms);
    this.expire(now);
    const keys = this.history.keysOf(programId);
    const length = keys === undefined ? 0 : this.memory.residentLength(keys, keys.length);
    if (keys === undefined || length === 0) return 'not-resident';
    const blocks = Int32Array.from(keys.subarray(0, length), (key) => this.pool.find(key));
    return this.pinTable.set(programId, blocks, terms, now);
  }

  /**
   * Modifies state. Gives a live pin a new time and value. It stays hard or soft as it was set: pin again to change
   * that. Throws a RangeError for terms out of range.
   */
  renew(programId: string, terms: PinTerms, now: Instant): ModelPin | 'no-pin' {
    validatePinTerms(terms);
    this.expire(now);
    const pin = this.pinTable.get(programId);
    return pin === undefined ? 'no-pin' : this.pinTable.renew(pin, terms, now);
  }

  /** Modifies state. Gives a pin up. False when the program has none. */
  release(programId: string, now: Instant): boolean {
    this.expire(now);
    const pin = this.pinTable.get(programId);
    if (pin === undefined) return false;
    this.pinTable.end(pin, 'released');
    return true;
  }

  /** Modifies state (ends due pins). Live pins in order of setting. */
  pins(now: Instant): readonly ModelPin[] {
    this.expire(now);
    return this.pinTable.list();
  }

  /** Modifies state (ends due pins). The pool and the queues. */
  stats(now: Instant): ModelStats {
    this.expire(now);
    return {
      totalBlocks: this.pool.totalBlocks,
      freeBlocks: this.pool.free,
      evictableBlocks: this.pool.evictable,
      pinnedBlocks: this.pool.pinned,
      activeBlocks: this.pool.active,
      runningRequests: this.scheduler.running.length,
      waitingRequests: this.scheduler.waiting.size,
      pins: this.pinTable.size,
      preemptions: this.scheduler.preemptions,
      promptTokens: this.scheduler.promptTokens,
      cachedTokens: this.scheduler.cachedTokens,
      reloadedTokens: this.scheduler.reloadedTokens,
      offloadedTokens: this.host.offloadedBlocks * this.options.blockTokens,
      outputTokens: this.outputTokens,
    };
  }

  /** Pure. Prompt tokens found in the cache at first admission; `undefined` before it, or for an id not in the engine. */
  cachedTokensOf(requestId: string): number | undefined {
    return this.requests.get(requestId)?.cachedTokens;
  }

  /** Pure. Known tokens of waiting requests that are not in the cache now: prefill work that queues. */
  waitingUncachedTokens(): number {
    let tokens = 0;
    for (const state of this.scheduler.waiting.all) {
      tokens += state.tokens - this.memory.hitLength(state) * this.options.blockTokens;
    }
    return tokens;
  }

  /** Pure. True while a request waits or runs, or one that cannot fit has not been reported yet. */
  hasWork(): boolean {
    return this.requests.size > 0 || this.rejected.length > 0;
  }

  /**
   * Modifies state. Schedules a step. `null` when there is nothing to run. While requests that cannot fit are to be
   * reported, the step is empty and ends at once. Throws an Error while a step is under way.
   */
  startStep(now: Instant): { endsAt: Instant } | null {
    if (this.step !== null) throw new Error('a step is under way; finishStep comes first');
    this.expire(now);
    if (this.rejected.length > 0) {
      this.step = { batch: [], preempted: [], endsAt: now };
      return { endsAt: now };
    }
    const scheduled = this.scheduler.schedule();
    if (scheduled.batch.length === 0) return null;
    const endsAt = this.timer.start({ batch: stepBatchOf(scheduled.batch), steps: 1 }, now);
    this.step = { ...scheduled, endsAt };
    return { endsAt };
  }

  /** Modifies state. Ends the step under way, at its `endsAt`. Throws an Error when there is none. */
  finishStep(): StepOutcome {
    const { step } = this;
    if (step === null) throw new Error('no step is under way; startStep comes first');
    this.step = null;
    if (step.batch.length > 0) this.timer.finish();
    this.expire(step.endsAt);
    const tokens: ProducedToken[] = [];
    const finished: FinishedRequest[] = this.rejected.map(rejection);
    this.rejected = [];
    for (const state of step.batch) {
      if (!this.holds(state)) continue;
      state.computed += state.scheduled;
      state.scheduled = 0;
      state.reloading = 0;
      this.memory.registerFull(state);
      if (state.computed < state.tokens) continue;
      tokens.push(this.produce(state));
      if (state.produced === state.request.outputTokens) finished.push(this.finish(state, step.endsAt));
    }
    this.outputTokens += tokens.length;
    const preempted = step.preempted.filter((state) => this.holds(state)).map(({ request }) => request.requestId);
    return { at: step.endsAt, tokens, finished, preempted };
  }

  /** Modifies state: hands over the events since the last call, in order. */
  drainEvents(): readonly ModelEvent[] {
    return this.log.drain();
  }

  /** Pure. When the next pin expires; `null` without pins. */
  nextExpiry(): Instant | null {
    return this.pinTable.nextExpiry;
  }

  /** Modifies state. Ends every pin whose time has come by `now`. */
  expire(now: Instant): void {
    this.pinTable.expire(now);
  }

  /** False when it was aborted while the step was under way, perhaps followed by another request of the same id. */
  private holds(state: RequestState): boolean {
    return this.requests.get(state.request.requestId) === state;
  }

  private produce(state: RequestState): ProducedToken {
    const isFirst = state.produced === 0;
    return { requestId: state.request.requestId, tokenId: state.produce(), isFirst };
  }

  private finish(state: RequestState, at: Instant): FinishedRequest {
    const { request } = state;
    const pin = this.retain(state, at);
    this.requests.delete(request.requestId);
    this.scheduler.finish(state);
    return {
      requestId: request.requestId,
      programId: request.programId,
      promptTokens: state.promptTokens,
      cachedTokens: state.cachedTokens ?? 0,
      outputTokens: request.outputTokens,
      finishReason: 'stop',
      ...(pin === undefined ? {} : { pin }),
    };
  }

  /** Remembers or forgets the program, and sets the pin that was asked for. */
  private retain(state: RequestState, at: Instant): ModelPin | undefined {
    const { programId, pin, isLast } = state.request;
    if (programId === undefined) return undefined;
    if (isLast === true) {
      this.history.forget(programId);
      this.release(programId, at);
      return undefined;
    }
    const full = state.fullBlocks;
    this.history.remember(programId, state.keys.slice(0, full));
    if (pin === undefined || full === 0) return undefined;
    const set = this.pinTable.set(programId, state.blocks.slice(0, full), pin, at);
    return set === 'cap-reached' ? undefined : set;
  }
}

const rejection = (request: ModelRequest): FinishedRequest => ({
  requestId: request.requestId,
  programId: request.programId,
  promptTokens: request.promptIds.length,
  cachedTokens: 0,
  outputTokens: 0,
  finishReason: 'error',
});
