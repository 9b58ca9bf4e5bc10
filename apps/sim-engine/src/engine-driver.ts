import type { EngineModel, FinishedRequest, ModelEvent, ModelRequest, ModelStats } from '@holdfast/simulation';
import type { CancelTimer, Clock } from '@holdfast/platform';
import { type Instant, instant } from '@holdfast/scheduling';

/** Hears of one request. Called in order, outside the model. */
export interface RequestObserver {
  /** New output tokens since the last call, at least one; and the prompt tokens that were found in the cache. */
  onTokens(tokenIds: readonly number[], cachedTokens: number): void;
  /** The request left the engine by itself; nothing follows. */
  onFinished(finished: FinishedRequest, at: Instant): void;
}

/** What an {@link EngineDriver} is made of. */
export interface EngineDriverOptions {
  /** Makes an empty engine; called at start, and again when the cache is flushed. */
  readonly createModel: () => EngineModel;
  /** Model time: the engine's own clock, scaled or not. */
  readonly clock: Clock;
  /** Pin and cache events, in order, at least one. */
  readonly onEvents: (events: readonly ModelEvent[], at: Instant) => void;
  /** Output tokens of a turn of the event loop, for rates. */
  readonly onProgress?: (outputTokens: number, at: Instant) => void;
}

/** How much one turn of the event loop may catch up before others get their turn. */
const STEPS_PER_TURN = 64;
const TOKENS_PER_TURN = 4_096;

interface Delivery {
  readonly observer: RequestObserver;
  readonly tokenIds: number[];
  cachedTokens: number;
  finished?: { readonly request: FinishedRequest; readonly at: Instant };
}

/**
 * Runs an engine model in real time: a step completes when its model time has come.
 *
 * - The next step starts at the model time at which the last one ended, however late the timer was: no drift.
 * - Late, it completes several steps in one turn of the event loop and hands over their tokens at once; far behind, it
 *   yields between bounded turns, and callers meet the engine in the past it is in, as they would meet a slow one.
 * - Idle, it has no timer but the next pin expiry, if there is one.
 */
export class EngineDriver {
  private model: EngineModel;
  private readonly observers = new Map<string, RequestObserver>();
  /** Counters of models that were flushed away. */
  private flushed = { preemptions: 0, promptTokens: 0, cachedTokens: 0, outputTokens: 0 };
  private stepEndsAt: Instant | null = null;
  private latest: Instant = instant(0);
  private wake: { readonly at: Instant; readonly cancel: CancelTimer } | undefined;
  private catchUpTurn: NodeJS.Immediate | undefined;
  /** What observers and subscribers are to hear, in order. */
  private outbox: (() => void)[] = [];
  private isDispatching = false;
  private isClosed = false;

  constructor(private readonly options: EngineDriverOptions) {
    this.model = options.createModel();
  }

  /** Requests that wait or run. */
  get liveRequests(): number {
    return this.observers.size;
  }

  /** True when a request of this id waits or runs. */
  has(requestId: string): boolean {
    return this.observers.has(requestId);
  }

  /** Queues a request. The id must not be live. Modifies state. */
  submit(request: ModelRequest, observer: RequestObserver): void {
    this.apply((model, now) => {
      model.submit(request, now);
      this.observers.set(request.requestId, observer);
    });
  }

  /** Drops a request; its observer hears nothing more. False when it is not live. Modifies state. */
  abort(requestId: string): boolean {
    return this.apply((model, now) => {
      this.observers.delete(requestId);
      return model.abort(requestId, now);
    });
  }

  /** The pool, the queues and the counters since start, as of now. */
  stats(): ModelStats {
    const stats = this.apply((model, now) => model.stats(now));
    return {
      ...stats,
      preemptions: stats.preemptions + this.flushed.preemptions,
      promptTokens: stats.promptTokens + this.flushed.promptTokens,
      cachedTokens: stats.cachedTokens + this.flushed.cachedTokens,
      outputTokens: stats.outputTokens + this.flushed.outputTokens,
    };
  }

  /**
   * Runs an action on the model at the model's present, after every step that was due (as far as one turn goes), and
   * starts a step if there is something to run now.
   */
  apply<Result>(action: (model: EngineModel, now: Instant) => Result): Result {
    this.catchUp();
    const now = this.present();
    const result = action(this.model, now);
    this.settle(now);
    return result;
  }

  /** Forgets all cached KV and releases all pins. False, and no change, while a request waits or runs. */
  flush(): boolean {
    return this.apply((model, now) => {
      if (model.hasWork()) return false;
      for (const pin of model.pins(now)) model.release(pin.programId, now);
      this.report(now);
      const { preemptions, promptTokens, cachedTokens, outputTokens } = model.stats(now);
      this.flushed.preemptions += preemptions;
      this.flushed.promptTokens += promptTokens;
      this.flushed.cachedTokens += cachedTokens;
      this.flushed.outputTokens += outputTokens;
      this.model = this.options.createModel();
      return true;
    });
  }

  /** Stops all timers; nothing happens any more. */
  close(): void {
    this.isClosed = true;
    this.wake?.cancel();
    if (this.catchUpTurn !== undefined) clearImmediate(this.catchUpTurn);
    this.observers.clear();
    this.outbox = [];
  }

  /** The model's time: the clock's, unless a step that is due holds it back. Never decreases. */
  private present(): Instant {
    const now = this.options.clock.now();
    const held = this.stepEndsAt === null ? now : instant(Math.min(now, this.stepEndsAt));
    this.latest = instant(Math.max(this.latest, held));
    return this.latest;
  }

  private catchUp(): void {
    // A listener that asks back meets the engine as it was told; the next turn goes on.
    if (this.isClosed || this.isDispatching) return;
    const now = this.options.clock.now();
    const turn = new Map<string, Delivery>();
    let steps = 0;
    let tokens = 0;
    while (this.stepEndsAt !== null && this.stepEndsAt <= now && steps < STEPS_PER_TURN && tokens < TOKENS_PER_TURN) {
      tokens += this.completeStep(this.stepEndsAt, turn);
      steps += 1;
    }
    if (steps === 0) return;
    if (tokens > 0) this.options.onProgress?.(tokens, this.latest);
    for (const delivery of turn.values()) this.outbox.push(() => hand(delivery));
    this.report(this.latest);
    this.dispatch();
  }

  private completeStep(endsAt: Instant, turn: Map<string, Delivery>): number {
    const outcome = this.model.finishStep();
    this.latest = endsAt;
    for (const { requestId, tokenId } of outcome.tokens) this.deliveryOf(requestId, turn)?.tokenIds.push(tokenId);
    for (const request of outcome.finished) {
      const delivery = this.deliveryOf(request.requestId, turn);
      if (delivery !== undefined) {
        delivery.cachedTokens = request.cachedTokens;
        delivery.finished = { request, at: outcome.at };
      }
      this.observers.delete(request.requestId);
    }
    this.stepEndsAt = this.model.startStep(endsAt)?.endsAt ?? null;
    return outcome.tokens.length;
  }

  private deliveryOf(requestId: string, turn: Map<string, Delivery>): Delivery | undefined {
    const known = turn.get(requestId);
    if (known !== undefined) return known;
    const observer = this.observers.get(requestId);
    if (observer === undefined) return undefined;
    const delivery: Delivery = { observer, tokenIds: [], cachedTokens: this.model.cachedTokensOf(requestId) ?? 0 };
    turn.set(requestId, delivery);
    return delivery;
  }

  private dispatch(): void {
    if (this.isDispatching) return;
    this.isDispatching = true;
    try {
      for (let tell = this.outbox.shift(); tell !== undefined; tell = this.outbox.shift()) tell();
    } finally {
      this.isDispatching = false;
    }
  }

  private settle(now: Instant): void {
    if (this.isClosed) return;
    if (this.stepEndsAt === null && this.model.hasWork()) this.stepEndsAt = this.model.startStep(now)?.endsAt ?? null;
    this.report(now);
    this.arm();
    this.dispatch();
  }

  private report(at: Instant): void {
    const events = this.model.drainEvents();
    if (events.length > 0) this.outbox.push(() => this.options.onEvents(events, at));
  }

  /** Sees to it that something runs when the next step is due or the next pin expires. */
  private arm(): void {
    if (this.stepEndsAt !== null && this.stepEndsAt <= this.options.clock.now()) {
      this.catchUpTurn ??= setImmediate(() => {
        this.catchUpTurn = undefined;
        this.onDue();
      });
      return;
    }
    const at = earlier(this.stepEndsAt, this.model.nextExpiry());
    if (this.wake !== undefined) {
      if (this.wake.at === at) return;
      this.wake.cancel();
      this.wake = undefined;
    }
    if (at === null) return;
    const cancel = this.options.clock.schedule(at, () => {
      this.wake = undefined;
      this.onDue();
    });
    this.wake = { at, cancel };
  }

  private onDue(): void {
    if (!this.isClosed) this.apply((model, now) => model.expire(now));
  }
}

const hand = ({ observer, tokenIds, cachedTokens, finished }: Delivery): void => {
  if (tokenIds.length > 0) observer.onTokens(tokenIds, cachedTokens);
  if (finished !== undefined) observer.onFinished(finished.request, finished.at);
};

const earlier = (a: Instant | null, b: Instant | null): Instant | null => {
  if (a === null || b === null) return a ?? b;
  return a <= b ? a : b;
};
