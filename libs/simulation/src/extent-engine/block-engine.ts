import type { EngineLoad, Instant, PinTerms } from '@holdfast/scheduling';
import { EngineModel } from '../engine/engine-model.js';
import type { EngineModelOptions } from '../engine/engine-options.js';
import type { ModelPinEvent } from '../engine/model-event.js';
import type { ModelPin } from '../engine/model-pin.js';
import type { Boundary, EngineTotals, SimulatedEngine, SimulatedTurn } from './simulated-engine.js';

/**
 * `EngineModel` behind the port of the simulation: makes up token ids that share exactly what a turn says it shares, and
 * the system prompt of all programs. The reference that `ExtentEngine` is compared with; that one is several times
 * faster, but knows no tokens that two programs share.
 */
export class BlockEngine implements SimulatedEngine {
  readonly #model: EngineModel;
  readonly #contexts = new Map<string, Uint32Array>();
  readonly #pinEvents: ModelPinEvent[] = [];
  #endsAt: Instant | null = null;
  #nextId = 1;

  /** @param sharedPromptTokens - the first tokens of every prompt, the same for all programs; default none. */
  constructor(
    options: EngineModelOptions,
    private readonly sharedPromptTokens = 0,
  ) {
    this.#nextId += sharedPromptTokens;
    this.#model = new EngineModel({ ...options, recordKvEvents: false });
  }

  get boundaryAt(): Instant | null {
    return this.#endsAt;
  }

  submit(turn: SimulatedTurn, now: Instant): void {
    const ids = new Uint32Array(turn.promptTokens + turn.outputTokens);
    ids.set((this.#contexts.get(turn.programId) ?? new Uint32Array(0)).subarray(0, turn.sharedTokens));
    const own = Math.max(turn.sharedTokens, Math.min(this.sharedPromptTokens, turn.promptTokens));
    for (let index = turn.sharedTokens; index < own; index += 1) ids[index] = index + 1;
    for (let index = own; index < ids.length; index += 1) ids[index] = this.#nextId++;
    if (turn.isLast) this.#contexts.delete(turn.programId);
    else this.#contexts.set(turn.programId, ids);
    this.#model.submit(
      {
        requestId: turn.turnId,
        promptIds: ids.slice(0, turn.promptTokens),
        outputTokens: turn.outputTokens,
        outputIdAt: (index) => ids[turn.promptTokens + index] ?? 0,
        rank: turn.rank,
        bid: turn.bid,
        programId: turn.programId,
        ...(turn.pin === undefined ? {} : { pin: turn.pin }),
        isLast: turn.isLast,
      },
      now,
    );
  }

  resume(now: Instant): void {
    if (this.#endsAt === null && this.#model.hasWork()) this.#endsAt = this.#model.startStep(now)?.endsAt ?? null;
  }

  settle(): Boundary {
    this.#endsAt = null;
    const { at, tokens, finished } = this.#model.finishStep();
    return {
      at,
      started: tokens.filter(({ isFirst }) => isFirst).map(({ requestId }) => requestId),
      finished: finished.map(({ requestId, promptTokens, cachedTokens, outputTokens, finishReason, pin }) => ({
        turnId: requestId,
        promptTokens,
        cachedTokens,
        outputTokens,
        finishReason: finishReason === 'error' ? 'error' : 'stop',
        ...(pin === undefined ? {} : { pin }),
      })),
    };
  }

  abort(turnId: string, now: Instant): boolean {
    return this.#model.abort(turnId, now);
  }

  rerank(turnId: string, rank: number, now: Instant): void {
    this.#model.rerank(turnId, rank, now);
  }

  pin(programId: string, terms: PinTerms, now: Instant): ModelPin | 'not-resident' | 'cap-reached' {
    return this.#model.pin(programId, terms, now);
  }

  renew(programId: string, terms: PinTerms, now: Instant): ModelPin | 'no-pin' {
    return this.#model.renew(programId, terms, now);
  }

  release(programId: string, now: Instant): boolean {
    return this.#model.release(programId, now);
  }

  nextExpiry(): Instant | null {
    return this.#model.nextExpiry();
  }

  expire(now: Instant): void {
    this.#model.expire(now);
  }

  drainPinEvents(): readonly ModelPinEvent[] {
    for (const event of this.#model.drainEvents()) if (event.type === 'pin') this.#pinEvents.push(event);
    return this.#pinEvents.splice(0);
  }

  load(): EngineLoad {
    const { freeBlocks, evictableBlocks, pinnedBlocks, activeBlocks, ...queues } = this.#model.stats(0 as Instant);
    const { runningRequests, waitingRequests } = queues;
    return { freeBlocks, evictableBlocks, pinnedBlocks, activeBlocks, runningRequests, waitingRequests };
  }

  totals(): EngineTotals {
    const { preemptions, promptTokens, cachedTokens, reloadedTokens, offloadedTokens, outputTokens } =
      this.#model.stats(0 as Instant);
    return { preemptions, promptTokens, cachedTokens, reloadedTokens, outputTokens, offloadedTokens };
  }
}
