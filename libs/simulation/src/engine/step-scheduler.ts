import type { BlockPool } from './block-pool.js';
import type { EngineModelOptions } from './engine-options.js';
import type { KvMemory } from './kv-memory.js';
import type { RevocationReason } from './model-event.js';
import type { PinRecord } from './pin-order.js';
import type { PinTable } from './pin-table.js';
import { ReleasePlanner } from './release-planner.js';
import type { RequestState } from './request-state.js';
import { WaitingQueue } from './waiting-queue.js';

/** What one step is to compute. */
export interface ScheduledStep {
  /** Requests with `scheduled` above 0, in running order. */
  readonly batch: readonly RequestState[];
  readonly preempted: readonly RequestState[];
}

/**
 * Decides what each step computes: running requests in list order, then waiting ones, under the token budget.
 *
 * Pressure: growth takes pins before it preempts; a waiting head takes pins below its bid only if it then fits; when
 * nothing runs, pins go until the head fits. Since requests larger than the pool never get here, the queue never stalls.
 */
export class StepScheduler {
  readonly running: RequestState[] = [];
  readonly waiting = new WaitingQueue();
  preemptions = 0;
  /** Prompt tokens of admitted requests, each counted once. */
  promptTokens = 0;
  cachedTokens = 0;
  /** Tokens that came from host memory, at every admission. */
  reloadedTokens = 0;

  private budget = 0;
  private preempted: RequestState[] = [];
  private readonly planner: ReleasePlanner;

  constructor(
    private readonly options: Pick<EngineModelOptions, 'tokenBudget' | 'maxRunningRequests' | 'blockTokens'>,
    private readonly pool: BlockPool,
    private readonly pins: PinTable,
    private readonly memory: KvMemory,
  ) {
    this.planner = new ReleasePlanner(pool);
  }

  /** Modifies state. Schedules one step; its batch is empty only when nothing runs or waits. */
  schedule(): ScheduledStep {
    this.budget = this.options.tokenBudget;
    this.preempted = [];
    this.scheduleRunning();
    if (this.preempted.length === 0) this.admitWaiting();
    return { batch: this.running.filter((request) => request.scheduled > 0), preempted: this.preempted };
  }

  /** Modifies state. Takes a request out, whether it runs or waits. */
  remove(request: RequestState): void {
    const position = this.running.indexOf(request);
    if (position >= 0) this.running.splice(position, 1);
    else this.waiting.remove(request);
    this.memory.leaveAll(request);
  }

  /** Modifies state. Takes out a request that is done; `isLast`: what it computed is of no use to anybody. */
  finish(request: RequestState): void {
    this.running.splice(this.running.indexOf(request), 1);
    this.memory.leaveAll(request, request.request.isLast === true ? 'over' : 'may-return');
  }

  /** Modifies state. */
  rerank(request: RequestState, rank: number): void {
    const waits = !this.running.includes(request);
    if (waits) this.waiting.remove(request);
    request.rank = rank;
    if (waits) this.waiting.add(request);
  }

  private scheduleRunning(): void {
    // A copy, since preemption takes requests out of the list.
    for (const request of [...this.running]) {
      if (this.budget === 0) return;
      if (request.isPreempted) continue;
      const tokens = Math.min(request.tokens - request.computed, this.budget);
      if (!this.makeRoom(request, request.computed + tokens)) continue;
      request.scheduled = tokens;
      this.budget -= tokens;
    }
  }

  /** Gets the blocks for that many tokens. False when the request itself had to be preempted for it. */
  private makeRoom(request: RequestState, tokens: number): boolean {
    while (request.blockCount * this.options.blockTokens < tokens) {
      if (this.memory.grow(request, 'growth') || this.pins.giveWay('growth')) continue;
      const victim = this.preemptionVictim();
      this.preempt(victim);
      if (victim === request) return false;
    }
    return true;
  }

  /** The running request of largest rank; of several, the one that arrived last. */
  private preemptionVictim(): RequestState {
    return this.running.reduce((worst, request) => {
      const { rank } = request;
      if (rank !== worst.rank) return rank > worst.rank ? request : worst;
      return request.sequence > worst.sequence ? request : worst;
    });
  }

  private preempt(victim: RequestState): void {
    this.running.splice(this.running.indexOf(victim), 1);
    this.budget += victim.scheduled;
    this.memory.leaveAll(victim);
    victim.isPreempted = true;
    this.waiting.add(victim);
    this.preempted.push(victim);
    this.preemptions += 1;
  }

  private admitWaiting(): void {
    while (this.budget > 0 && this.running.length < this.options.maxRunningRequests) {
      const head = this.waiting.head;
      if (head === undefined || !this.admit(head)) return;
      head.scheduled = Math.min(head.tokens - head.computed, this.budget);
      this.budget -= head.scheduled;
    }
  }

  /** Admits the head if its whole prompt fits, perhaps after pins have gone. Checks everything before it acts. */
  private admit(head: RequestState): boolean {
    const hits = this.memory.hitLength(head);
    if (head.probedGains === this.pool.gains && hits <= head.probedHits && this.running.length > 0) return false;
    const { programId } = head.request;
    const ownPin = programId === undefined ? undefined : this.pins.get(programId);
    const lacking = head.blocksWanted - hits - (this.pool.idle - this.memory.idleAmong(head, hits));
    const victims = lacking <= 0 ? [] : this.victimsFor(head, hits, lacking, ownPin);
    if (victims === null) {
      head.probedGains = this.pool.gains;
      head.probedHits = hits;
      return false;
    }
    this.enter(head, hits, victims, ownPin);
    return true;
  }

  private victimsFor(
    request: RequestState,
    hits: number,
    lacking: number,
    ownPin: PinRecord | undefined,
  ): readonly PinRecord[] | null {
    const { bid } = request.request;
    const all = this.pins.hardPins;
    // Nothing runs: no block will ever come back by itself, so every pin may go.
    const candidates = this.running.length === 0 ? all : all.filter((pin) => pin.value < bid);
    return this.planner.plan({ request, hits, lacking, ownPin, candidates });
  }

  private enter(
    request: RequestState,
    hits: number,
    victims: readonly PinRecord[],
    ownPin: PinRecord | undefined,
  ): void {
    const reasonFor = (value: number): RevocationReason => (value < request.request.bid ? 'outbid' : 'stall');
    const softReason: RevocationReason = this.running.length === 0 ? 'stall' : 'outbid';
    this.waiting.remove(request);
    const parked = this.memory.parkedLength(request, hits);
    this.memory.takeHits(request, hits);
    this.memory.unpark(request, hits, parked);
    if (ownPin !== undefined) this.pins.end(ownPin, 'hit');
    for (const victim of victims) this.pins.revoke(victim, reasonFor(victim.value));
    while (request.blockCount < request.blocksWanted) {
      if (!this.memory.grow(request, softReason)) throw new Error('an admitted request found no block');
    }
    if (parked > 0) this.memory.takeReloaded(request, parked);
    request.reloading = parked * this.options.blockTokens;
    this.reloadedTokens += request.reloading;
    request.isPreempted = false;
    this.running.push(request);
    this.countPrompt(request);
  }

  private countPrompt(request: RequestState): void {
    if (request.cachedTokens !== undefined) return;
    request.cachedTokens = request.computed;
    this.promptTokens += request.promptTokens;
    this.cachedTokens += request.computed;
  }
}
