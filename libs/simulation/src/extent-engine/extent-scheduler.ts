import type { EngineLoad, Instant, PinTerms } from '@holdfast/scheduling';
import type { EngineModelOptions } from '../engine/engine-options.js';
import type { RevocationReason } from '../engine/model-event.js';
import type { ModelPin } from '../engine/model-pin.js';
import { prefillPairs } from '../profiles/step-time.js';
import { LONGEST_SEGMENT } from '../steps/decode-clock.js';
import { ExtentList, type Chain } from './extent-list.js';
import { ExtentPins, type ExtentPin } from './extent-pins.js';
import { compareFinish, compareWaiting, type ExtentRequest } from './extent-request.js';
import { GrowthPhases } from './growth.js';
import { HostRuns } from './host-runs.js';
import { RequestHeap } from './request-heap.js';
import type { EngineTotals } from './simulated-engine.js';
import type { StepPlan } from '../steps/step-timer.js';

/**
 * What each step computes: running requests first, in order of admission, then waiting ones, under the token budget,
 * with the pressure rule of KvControl. Decoding requests are kept as sums; only their phases and their ends are known
 * one by one.
 */
export class ExtentScheduler {
  readonly waiting = new RequestHeap(compareWaiting);
  readonly pins: ExtentPins;
  readonly #idle: ExtentList;
  readonly #host: HostRuns | null;
  readonly #running = new Set<ExtentRequest>();
  readonly #finishers = new RequestHeap(compareFinish);
  readonly #growth: GrowthPhases;
  /** Running requests whose prompt is not in KV yet, in order of admission. */
  #prefilling: ExtentRequest[] = [];
  #decoding = 0;
  /** Tokens of decoding requests before the next step. */
  #decodingTokens = 0;
  /** Number of the next step. */
  #step = 0;
  /** Steps whose growth is allocated already. */
  #grownTo = 0;
  #admissions = 0;
  /** Tokens that the next step brings from host memory. */
  #reloadTokens = 0;
  #totals = { preemptions: 0, promptTokens: 0, cachedTokens: 0, reloadedTokens: 0, outputTokens: 0 };

  constructor(private readonly options: EngineModelOptions) {
    const { host } = options;
    this.#host = host === undefined || host.blocks === 0 ? null : new HostRuns(host.blocks);
    this.#idle = new ExtentList(this.#host);
    this.#idle.append(null, options.totalBlocks, options.totalBlocks);
    this.#growth = new GrowthPhases(options.blockTokens);
    this.pins = new ExtentPins(
      this.#idle,
      this.#host,
      Math.floor(options.totalBlocks * options.maxPinnedFraction),
      options.blockTokens,
    );
  }

  /** Modifies state. What to do next; null when nothing can run. */
  plan(): StepPlan | null {
    this.#reloadTokens = 0;
    const preempted = this.#growForOneStep();
    let budget = this.options.tokenBudget - this.#decoding;
    for (const request of this.#prefilling) {
      request.scheduled = Math.min(request.tokens - request.computed, budget);
      budget -= request.scheduled;
    }
    if (!preempted) this.#admitWaiting(budget);
    if (this.#running.size === 0) return null;
    if (this.#prefilling.length > 0) return { batch: this.#batch(), steps: 1 };
    return { batch: this.#batch(), steps: this.#stepsTogether() };
  }

  /** Modifies state. The steps end; returns the requests with a new token that matters: a first or a last one. */
  advance(steps: number): ExtentRequest[] {
    this.commitGrowth(steps);
    this.#step += steps;
    this.#decodingTokens += steps * this.#decoding;
    this.#totals.outputTokens += steps * this.#decoding;
    const notable: ExtentRequest[] = [];
    for (let next = this.#finishers.peek(); next?.finishStep === this.#step; next = this.#finishers.peek()) {
      this.#stopDecoding(next, this.#step);
      notable.push(next);
    }
    const prefilled = this.#prefilling.filter((request) => this.#advancePrefill(request));
    if (prefilled.length === 0) return notable;
    this.#prefilling = this.#prefilling.filter((request) => !prefilled.includes(request));
    for (const request of prefilled) {
      if (request.tokens < request.turn.promptTokens + request.turn.outputTokens) this.#startDecoding(request);
    }
    return [...notable, ...prefilled];
  }

  /** Modifies state. Allocates what decoding needs for the steps under way, up to this many. */
  commitGrowth(steps: number): void {
    const upTo = this.#step + steps;
    if (upTo <= this.#grownTo) return;
    this.#idle.take(this.#growth.blocksFor(this.#grownTo, upTo - this.#grownTo));
    this.#grownTo = upTo;
  }

  /** Modifies state. The request has its last token: pins or frees its blocks. */
  finish(request: ExtentRequest, now: Instant): ModelPin | null {
    this.#running.delete(request);
    const { turn, chain } = request;
    const full = Math.floor(request.computed / this.options.blockTokens);
    chain.resident = full;
    const pin =
      turn.isLast || turn.pin === undefined || full === 0
        ? null
        : this.pins.set(turn.programId, chain, full, turn.pin, now);
    if (turn.isLast) this.#idle.appendOver(request.blocks, request.blocks - full);
    else if (pin === null) this.#idle.append(chain, request.blocks, request.blocks - full);
    else this.#idle.append(null, request.blocks - full, request.blocks - full);
    return pin;
  }

  /** Modifies state. Takes a request out, whether it runs or waits, `done` steps after the last settled one. */
  remove(request: ExtentRequest, done: number): void {
    if (!this.#running.has(request)) {
      this.waiting.remove(request);
      return;
    }
    // What the step under way computes is lost, but the block it got is held until now.
    if (request.isDecoding) {
      this.#totals.outputTokens += done;
      this.#stopDecoding(request, this.#step + done, this.#grownTo);
    } else {
      this.#prefilling = this.#prefilling.filter((other) => other !== request);
    }
    this.#leaveAll(request);
  }

  /** Modifies state. */
  rerank(request: ExtentRequest, rank: number): void {
    const waits = !this.#running.has(request);
    if (waits) this.waiting.remove(request);
    request.rank = rank;
    if (waits) this.waiting.push(request);
  }

  /** Modifies state. Pins what is resident of a chain that is idle or pinned. Null when the cap is reached. */
  repin(programId: string, chain: Chain, terms: PinTerms, now: Instant): ModelPin | null {
    const old = this.pins.get(programId);
    const freed = old === undefined || old.soft ? 0 : old.count;
    const cap = Math.floor(this.options.totalBlocks * this.options.maxPinnedFraction);
    if (!terms.soft && this.pins.hardBlocks - freed + chain.resident > cap) return null;
    if (old !== undefined) this.pins.drop(old);
    else this.#idle.reclaim(chain, chain.resident);
    return this.pins.set(programId, chain, chain.resident, terms, now);
  }

  /** Pure. */
  load(): EngineLoad {
    const idle = this.#idle.blocks + this.pins.softBlocks;
    return {
      freeBlocks: this.#idle.blank,
      evictableBlocks: idle - this.#idle.blank,
      pinnedBlocks: this.pins.hardBlocks,
      activeBlocks: this.options.totalBlocks - idle - this.pins.hardBlocks,
      runningRequests: this.#running.size,
      waitingRequests: this.waiting.size,
    };
  }

  /** Pure. */
  totals(): EngineTotals {
    const offloadedTokens = (this.#host?.offloadedBlocks ?? 0) * this.options.blockTokens;
    return { ...this.#totals, offloadedTokens };
  }

  #batch(): StepPlan['batch'] {
    let prefillTokens = 0;
    let pairs = 0;
    let decodeSequences = this.#decoding;
    let decodeContextTokens = this.#decodingTokens;
    for (const { computed, scheduled, tokens, turn } of this.#prefilling) {
      if (tokens > turn.promptTokens && computed === tokens - 1) {
        // Preempted with all of its KV still there: it feeds its latest token back.
        decodeSequences += scheduled;
        decodeContextTokens += tokens * scheduled;
      } else {
        prefillTokens += scheduled;
        pairs += prefillPairs(computed, scheduled);
      }
    }
    const reloadTokens = this.#reloadTokens;
    return { prefillTokens, prefillPairs: pairs, decodeSequences, decodeContextTokens, reloadTokens };
  }

  /** Pure. Decode steps until one ends a request or needs a block that is not free; the first one has its blocks. */
  #stepsTogether(): number {
    const untilFinish = (this.#finishers.peek()?.finishStep ?? this.#step + 1) - this.#step;
    const limit = Math.min(untilFinish, LONGEST_SEGMENT);
    return 1 + this.#growth.stepsWithin(this.#step + 1, this.#idle.blocks, limit - 1);
  }

  /** Modifies state. Blocks for the next step of all decoding requests. True when a request had to be preempted. */
  #growForOneStep(): boolean {
    const wanted = this.#growth.blocksFor(this.#step, 1);
    if (wanted <= this.#idle.blocks) {
      this.#idle.take(wanted);
      this.#grownTo = this.#step + 1;
      return false;
    }
    const preemptionsBefore = this.#totals.preemptions;
    for (const request of [...this.#running]) this.#growUnderPressure(request);
    this.#grownTo = this.#step + 1;
    return this.#totals.preemptions > preemptionsBefore;
  }

  #growUnderPressure(request: ExtentRequest): void {
    if (!request.isDecoding || request.phase !== this.#step % this.options.blockTokens) return;
    while (this.#idle.blocks + this.pins.softBlocks === 0) {
      if (this.pins.giveWay('growth')) continue;
      const victim = this.#preemptionVictim();
      this.#preempt(victim, request);
      if (victim === request) return;
    }
    this.#allocate(1, 'growth');
  }

  #preemptionVictim(): ExtentRequest {
    let worst: ExtentRequest | null = null;
    for (const request of this.#running) {
      if (
        worst === null ||
        request.rank > worst.rank ||
        (request.rank === worst.rank && request.arrival > worst.arrival)
      ) {
        worst = request;
      }
    }
    return worst!;
  }

  /** `growing` is where the walk over the running requests stands: those before it have this step's block already. */
  #preempt(victim: ExtentRequest, growing: ExtentRequest): void {
    const hasGrown = victim.admission < growing.admission;
    if (victim.isDecoding) this.#stopDecoding(victim, this.#step, hasGrown ? this.#step + 1 : this.#step);
    else this.#prefilling = this.#prefilling.filter((other) => other !== victim);
    this.#leaveAll(victim);
    victim.isPreempted = true;
    this.waiting.push(victim);
    this.#totals.preemptions += 1;
  }

  #admitWaiting(budgetBefore: number): void {
    let budget = budgetBefore;
    while (budget > 0 && this.#running.size < this.options.maxRunningRequests) {
      const head = this.waiting.peek();
      if (head === undefined || !this.#admit(head)) return;
      head.scheduled = Math.min(head.tokens - head.computed, budget);
      budget -= head.scheduled;
    }
  }

  /** Admits the head if its whole prompt fits, perhaps after pins have gone. Checks everything before it acts. */
  #admit(head: ExtentRequest): boolean {
    const hits = this.#hits(head);
    const own = this.pins.get(head.turn.programId);
    const isHard = own !== undefined && !own.soft;
    const wanted = Math.ceil(head.tokens / this.options.blockTokens);
    const idle = this.#idle.blocks + this.pins.softBlocks;
    const lacking = wanted - hits - (idle - (isHard ? 0 : hits));
    const victims = lacking <= 0 ? [] : this.#victims(head, own, hits, lacking);
    if (victims === null) return false;
    this.#enter(head, { own, hits, wanted, victims });
    return true;
  }

  #victims(head: ExtentRequest, own: ExtentPin | undefined, hits: number, lackingBlocks: number): ExtentPin[] | null {
    let lacking = own === undefined || own.soft ? lackingBlocks : lackingBlocks - (own.count - hits);
    const victims: ExtentPin[] = [];
    for (const pin of this.pins.hardPins) {
      if (lacking <= 0) break;
      if (pin === own) continue;
      // Nothing runs: no block will ever come back by itself, so every pin may go.
      if (this.#running.size > 0 && pin.value >= head.turn.bid) break;
      victims.push(pin);
      lacking -= pin.count;
    }
    return lacking <= 0 ? victims : null;
  }

  #enter(
    head: ExtentRequest,
    entry: { own: ExtentPin | undefined; hits: number; wanted: number; victims: readonly ExtentPin[] },
  ): void {
    const { own, hits, wanted, victims } = entry;
    const isStall = this.#running.size === 0;
    this.waiting.remove(head);
    if (own !== undefined) this.pins.hit(own, hits);
    else this.#idle.reclaim(head.chain, hits);
    const parked = this.#unpark(head, hits);
    for (const victim of victims) this.pins.end(victim, 'revoked', victim.value < head.turn.bid ? 'outbid' : 'stall');
    this.#allocate(wanted - hits, isStall ? 'stall' : 'outbid');
    head.computed = (hits + parked) * this.options.blockTokens;
    head.blocks = wanted;
    head.isPreempted = false;
    this.#admissions += 1;
    head.admission = this.#admissions;
    this.#running.add(head);
    this.#prefilling.push(head);
    if (head.cachedTokens !== null) return;
    head.cachedTokens = head.computed;
    this.#totals.promptTokens += head.turn.promptTokens;
    this.#totals.cachedTokens += head.computed;
  }

  #hits(head: ExtentRequest): number {
    return Math.min(head.chain.resident, this.#hitLimit(head));
  }

  #hitLimit(head: ExtentRequest): number {
    const { blockTokens } = this.options;
    // After a preemption the chain holds its own tokens; before, those of the turn before it.
    const shared = head.cachedTokens === null ? Math.floor(head.turn.sharedTokens / blockTokens) : Infinity;
    return Math.min(shared, Math.floor((head.tokens - 1) / blockTokens));
  }

  /** Modifies state. Takes what follows the hits out of host memory, so that making room for it does not push it out. */
  #unpark(head: ExtentRequest, hits: number): number {
    if (this.#host === null) return 0;
    const parked = Math.min(head.chain.parked, this.#hitLimit(head) - hits);
    this.#host.unpark(head.chain, parked);
    const tokens = parked * this.options.blockTokens;
    this.#reloadTokens += tokens;
    this.#totals.reloadedTokens += tokens;
    return parked;
  }

  #allocate(blocks: number, reason: RevocationReason): void {
    const fromIdle = Math.min(blocks, this.#idle.blocks);
    this.#idle.take(fromIdle);
    if (blocks > fromIdle) this.pins.takeSoft(blocks - fromIdle, reason);
  }

  /** Modifies state. True when all known tokens are in KV, so that the next one is there. */
  #advancePrefill(request: ExtentRequest): boolean {
    request.computed += request.scheduled;
    request.scheduled = 0;
    if (request.computed < request.tokens) return false;
    request.tokens += 1;
    this.#totals.outputTokens += 1;
    return true;
  }

  #startDecoding(request: ExtentRequest): void {
    request.isDecoding = true;
    request.decodeFrom = this.#step;
    request.computedAtDecode = request.computed;
    request.phase = this.#growth.phaseOf(request.computed, this.#step);
    request.finishStep = this.#step + request.turn.promptTokens + request.turn.outputTokens - request.tokens;
    this.#growth.add(request.phase);
    this.#finishers.push(request);
    this.#decoding += 1;
    this.#decodingTokens += request.tokens;
  }

  /** Modifies state. Writes down where the request stands before step `step`, with blocks for the steps up to `grownTo`. */
  #stopDecoding(request: ExtentRequest, step: number, grownTo = step): void {
    this.#finishers.remove(request);
    this.#growth.remove(request.phase);
    this.#decoding -= 1;
    // The sum stands for step `#step`, whatever step the request stops at.
    this.#decodingTokens -= request.computedAtDecode + (this.#step - request.decodeFrom) + 1;
    request.isDecoding = false;
    request.computed = request.computedAtDecode + (step - request.decodeFrom);
    request.tokens = request.computed + 1;
    request.blocks = Math.ceil((request.computedAtDecode + (grownTo - request.decodeFrom)) / this.options.blockTokens);
  }

  /** Modifies state. Gives all blocks back, last one first. */
  #leaveAll(request: ExtentRequest): void {
    this.#running.delete(request);
    const full = Math.floor(request.computed / this.options.blockTokens);
    request.chain.resident = full;
    this.#idle.append(request.chain, request.blocks, request.blocks - full);
    request.scheduled = 0;
  }
}
