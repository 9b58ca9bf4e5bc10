import type { EngineLoad, Instant, PinTerms } from '@holdfast/scheduling';
import type { ModelPinEvent } from '../engine/model-event.js';
import type { ModelPin } from '../engine/model-pin.js';

/** A turn as an engine of a simulation sees it: lengths, no tokens. */
export interface SimulatedTurn {
  readonly turnId: string;
  readonly programId: string;
  readonly promptTokens: number;
  /** Leading prompt tokens equal to the program's context; the rest was never seen before. Below `promptTokens`. */
  readonly sharedTokens: number;
  /** True output length, at least 1. */
  readonly outputTokens: number;
  readonly rank: number;
  readonly bid: number;
  readonly pin?: PinTerms;
  readonly isLast: boolean;
}

export interface FinishedTurn {
  readonly turnId: string;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** `error`: it can never fit the pool. */
  readonly finishReason: 'stop' | 'error';
  readonly pin?: ModelPin;
}

/** What became visible at a boundary between two steps. */
export interface Boundary {
  readonly at: Instant;
  /** Turns that produced their first token. */
  readonly started: readonly string[];
  readonly finished: readonly FinishedTurn[];
}

/** Counters since the start. */
export interface EngineTotals {
  readonly preemptions: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Tokens that came back from host memory, at every admission; of the first ones, part of `cachedTokens`. */
  readonly reloadedTokens: number;
  /** Tokens that went to host memory. */
  readonly offloadedTokens: number;
  readonly outputTokens: number;
}

/**
 * An engine in a simulation. The driver owns time: `boundaryAt` says when something becomes visible, `settle` takes it,
 * `resume` lets the engine go on once everything of that instant is known. Calls in between may move `boundaryAt`.
 */
export interface SimulatedEngine {
  /** Pure. End of what the engine does now; null when it does nothing. */
  readonly boundaryAt: Instant | null;
  /** Modifies state. Ends what the engine does, at `boundaryAt`. */
  settle(): Boundary;
  /** Modifies state. Goes on at `now`, if there is something to do and nothing under way. */
  resume(now: Instant): void;
  submit(turn: SimulatedTurn, now: Instant): void;
  abort(turnId: string, now: Instant): boolean;
  rerank(turnId: string, rank: number, now: Instant): void;
  pin(programId: string, terms: PinTerms, now: Instant): ModelPin | 'not-resident' | 'cap-reached';
  renew(programId: string, terms: PinTerms, now: Instant): ModelPin | 'no-pin';
  release(programId: string, now: Instant): boolean;
  /** Pure. When the next pin expires. */
  nextExpiry(): Instant | null;
  /** Modifies state. Ends every pin whose time has come. */
  expire(now: Instant): void;
  /** Modifies state: hands over what happened to pins since the last call. */
  drainPinEvents(): readonly ModelPinEvent[];
  /** Pure. */
  load(): EngineLoad;
  /** Pure. */
  totals(): EngineTotals;
}
