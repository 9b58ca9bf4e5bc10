import type { Decision, DecisionOutcome, Instant, KernelEvent } from '@holdfast/scheduling';
import type { ModelPinEvent } from '../engine/model-event.js';

/** Whoever wants to see more of a simulation than its result. Every method is optional: nothing is built for nobody. */
export interface SimulationObserver {
  kernelEvent?(event: KernelEvent, now: Instant): void;
  decision?(decision: Decision): void;
  resolved?(decisionId: number, outcome: DecisionOutcome, now: Instant): void;
  pin?(engineId: string, event: ModelPinEvent, now: Instant): void;
  turnDispatched?(
    turn: { readonly programId: string; readonly index: number; readonly engineId: string },
    now: Instant,
  ): void;
  turnStarted?(turn: { readonly programId: string; readonly index: number }, now: Instant): void;
  turnFinished?(turn: FinishedTurnRecord): void;
  programFinished?(record: ProgramRecord): void;
}

/** One turn, from its submission to its end. */
export interface FinishedTurnRecord {
  readonly programId: string;
  readonly index: number;
  readonly engineId: string;
  readonly submittedAt: Instant;
  readonly dispatchedAt: Instant;
  readonly startedAt: Instant;
  readonly finishedAt: Instant;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Tokens of the context that were computed again. */
  readonly recomputedTokens: number;
  readonly outputTokens: number;
}

/** One program, from its arrival to its end. */
export interface ProgramRecord {
  readonly programId: string;
  readonly arrivedAt: Instant;
  readonly finishedAt: Instant;
  readonly turns: number;
}
