/**
 * The engine model for the lab: the same rules as `EngineModel`, at the cost of a few operations a turn instead of a few
 * a block and a step.
 *
 * It may be faster because it knows more: prompts extend their program's context or leave it at a known point, and no
 * two programs share blocks. So what is resident of a program is one number, idle blocks are runs, and steps in which
 * nothing but decoding happens are advanced together, exactly (`extent-engine.prop.spec.ts` compares it with
 * `EngineModel`, event by event).
 */
import type { EngineLoad, Instant, PinTerms } from '@holdfast/scheduling';
import type { EngineModelOptions } from '../engine/engine-options.js';
import { validateEngineOptions } from '../engine/engine-options.js';
import type { ModelPinEvent } from '../engine/model-event.js';
import type { ModelPin } from '../engine/model-pin.js';
import { ExtentScheduler } from './extent-scheduler.js';
import { emptyChain, type Chain } from './extent-list.js';
import { extentRequest, type ExtentRequest } from './extent-request.js';
import type { Boundary, EngineTotals, FinishedTurn, SimulatedEngine, SimulatedTurn } from './simulated-engine.js';
import { StepTimer } from '../steps/step-timer.js';

export class ExtentEngine implements SimulatedEngine {
  readonly #scheduler: ExtentScheduler;
  readonly #timer: StepTimer;
  readonly #options: EngineModelOptions;
  readonly #requests = new Map<string, ExtentRequest>();
  readonly #chains = new Map<string, Chain>();
  #rejected: SimulatedTurn[] = [];
  #rejectedAt: Instant | null = null;
  #arrivals = 0;

  /** Throws a RangeError when an option is out of range, or when decoding alone could exceed the token budget. */
  constructor(options: EngineModelOptions) {
    validateEngineOptions(options);
    if (options.maxRunningRequests > options.tokenBudget) {
      throw new RangeError(
        `tokenBudget is ${options.tokenBudget}; allowed is at least maxRunningRequests, ${options.maxRunningRequests}`,
      );
    }
    this.#options = options;
    this.#scheduler = new ExtentScheduler(options);
    this.#timer = new StepTimer(options.stepTime, options.host?.reloadMicrosPerToken);
  }

  get boundaryAt(): Instant | null {
    return this.#rejectedAt ?? this.#timer.endsAt;
  }

  submit(turn: SimulatedTurn, now: Instant): void {
    this.#interrupt(now);
    const { blockTokens, totalBlocks } = this.#options;
    if (Math.ceil((turn.promptTokens + turn.outputTokens - 1) / blockTokens) > totalBlocks) {
      this.#rejected.push(turn);
      return;
    }
    this.#arrivals += 1;
    const request = extentRequest(turn, this.#chainOf(turn.programId), this.#arrivals);
    this.#requests.set(turn.turnId, request);
    this.#scheduler.waiting.push(request);
  }

  abort(turnId: string, now: Instant): boolean {
    this.#interrupt(now);
    const request = this.#requests.get(turnId);
    if (request === undefined) {
      const rejected = this.#rejected.length;
      this.#rejected = this.#rejected.filter((turn) => turn.turnId !== turnId);
      return this.#rejected.length < rejected;
    }
    this.#requests.delete(turnId);
    // What a step under way computes is lost; one that ends at this instant is done.
    const { stepsUnderWay, endsAt } = this.#timer;
    this.#scheduler.remove(request, endsAt === now ? stepsUnderWay : Math.max(0, stepsUnderWay - 1));
    return true;
  }

  rerank(turnId: string, rank: number, now: Instant): void {
    const request = this.#requests.get(turnId);
    if (request === undefined || request.rank === rank) return;
    this.#interrupt(now);
    this.#scheduler.rerank(request, rank);
  }

  pin(programId: string, terms: PinTerms, now: Instant): ModelPin | 'not-resident' | 'cap-reached' {
    this.#interrupt(now);
    const chain = this.#chains.get(programId);
    const { pins } = this.#scheduler;
    const old = pins.get(programId);
    if (chain === undefined || chain.resident === 0 || (chain.run === null && old === undefined)) return 'not-resident';
    return this.#scheduler.repin(programId, chain, terms, now) ?? 'cap-reached';
  }

  renew(programId: string, terms: PinTerms, now: Instant): ModelPin | 'no-pin' {
    const pin = this.#scheduler.pins.get(programId);
    if (pin === undefined) return 'no-pin';
    // A cheaper pin may let a waiting turn in.
    this.#interrupt(now);
    return this.#scheduler.pins.renew(pin, terms, now);
  }

  release(programId: string, now: Instant): boolean {
    const pin = this.#scheduler.pins.get(programId);
    if (pin === undefined) return false;
    this.#interrupt(now);
    this.#scheduler.pins.end(pin, 'released');
    return true;
  }

  nextExpiry(): Instant | null {
    return this.#scheduler.pins.nextExpiry;
  }

  expire(now: Instant): void {
    const next = this.nextExpiry();
    if (next === null || next > now) return;
    this.#interrupt(now);
    this.#scheduler.pins.expire(now);
  }

  resume(now: Instant): void {
    if (this.#timer.endsAt !== null || this.#rejectedAt !== null) return;
    this.expire(now);
    if (this.#rejected.length > 0) {
      this.#rejectedAt = now;
      return;
    }
    const plan = this.#scheduler.plan();
    if (plan !== null) this.#timer.start(plan, now);
  }

  settle(): Boundary {
    if (this.#rejectedAt !== null) return this.#reportRejected();
    const at = this.#timer.endsAt;
    if (at === null) throw new Error('nothing is under way; resume comes first');
    const steps = this.#timer.finish();
    this.#scheduler.pins.expire(at);
    const started: string[] = [];
    const finished: FinishedTurn[] = this.#takeRejected();
    for (const request of this.#scheduler.advance(steps)) {
      const { turn } = request;
      if (request.tokens === turn.promptTokens + 1) started.push(turn.turnId);
      if (request.tokens < turn.promptTokens + turn.outputTokens) continue;
      this.#requests.delete(turn.turnId);
      const pin = this.#scheduler.finish(request, at);
      if (turn.isLast) this.#chains.delete(turn.programId);
      finished.push({
        turnId: turn.turnId,
        promptTokens: turn.promptTokens,
        cachedTokens: request.cachedTokens ?? 0,
        outputTokens: turn.outputTokens,
        finishReason: 'stop' as const,
        ...(pin === null ? {} : { pin }),
      });
    }
    return { at, started, finished };
  }

  drainPinEvents(): readonly ModelPinEvent[] {
    return this.#scheduler.pins.drain();
  }

  load(): EngineLoad {
    return this.#scheduler.load();
  }

  totals(): EngineTotals {
    return this.#scheduler.totals();
  }

  /** Modifies state. Something happens at `now`: the engine notices at the end of the step under way. */
  #interrupt(now: Instant): void {
    const steps = this.#timer.truncate(now);
    if (steps !== null) this.#scheduler.commitGrowth(steps);
  }

  #chainOf(programId: string): Chain {
    let chain = this.#chains.get(programId);
    if (chain === undefined) {
      chain = emptyChain();
      this.#chains.set(programId, chain);
    }
    return chain;
  }

  #reportRejected(): Boundary {
    const at = this.#rejectedAt as Instant;
    this.#rejectedAt = null;
    return { at, started: [], finished: this.#takeRejected() };
  }

  #takeRejected(): FinishedTurn[] {
    if (this.#rejected.length === 0) return [];
    const finished = this.#rejected.map(({ turnId, promptTokens }) => ({
      turnId,
      promptTokens,
      cachedTokens: 0,
      outputTokens: 0,
      finishReason: 'error' as const,
    }));
    this.#rejected = [];
    return finished;
  }
}
