import type { EngineEpoch, EngineId, ProgramId, TurnId } from '../model/ids.js';
import type { Duration, Instant } from '../model/units.js';
import type { Decision, DecisionOutcome } from './decision.js';

/** What to do next. Plain JSON data, carried out by the shell in order. Names are imperative. */
export type Command =
  | DispatchTurn
  | AbortTurn
  | RejectTurn
  | RequeuedTurn
  | RerankTurn
  | SetPin
  | RenewPin
  | ReleasePin
  | EndProgram
  | ScheduleTimer
  | CancelTimer
  | RecordDecision
  | ResolveDecision;

/** Hints that ride on the request to the engine (key `holdfast` of kv_transfer_params_json). */
export interface EngineHints {
  readonly programId: ProgramId;
  /** Number of the turn in its program, from 0. */
  readonly turn: number;
  /** Program arrival: the FCFS key. */
  readonly programArrivedAt: Instant;
  /** Order wanted now, smaller first. */
  readonly rank: number;
  /** What the turn bids for pinned memory; 0 never takes a pin. */
  readonly bid: number;
  /** Pin to set when the turn finishes. */
  readonly pin?: PinTerms;
  /** No turn follows. */
  readonly isLast: boolean;
}

/** How a pin is to be held. */
export interface PinTerms {
  readonly ttl: Duration;
  readonly soft: boolean;
  /** Seconds of completion time saved per share of the pool; `null` stands for +Infinity, which JSON lacks. */
  readonly value: number | null;
}

/** Send the turn to the engine now. */
export interface DispatchTurn {
  readonly type: 'dispatchTurn';
  readonly turnId: TurnId;
  readonly programId: ProgramId;
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly hints: EngineHints;
}

/** Stop a turn that was dispatched. */
export interface AbortTurn {
  readonly type: 'abortTurn';
  readonly turnId: TurnId;
  readonly engineId: EngineId;
}

/** Tell the caller that the turn will not run. */
export interface RejectTurn {
  readonly type: 'rejectTurn';
  readonly turnId: TurnId;
  /** UPPER_SNAKE, from holdfast.errors.v1.Reason. */
  readonly reason: string;
  /** When to try again, if that can help. */
  readonly retryAfter?: Duration;
}

/** The turn lost its engine before any output and waits again; the shell forgets the old engine call. */
export interface RequeuedTurn {
  readonly type: 'requeuedTurn';
  readonly turnId: TurnId;
  readonly reason: string;
}

/** Give a turn that the engine has already another place in the engine's own order. */
export interface RerankTurn {
  readonly type: 'rerankTurn';
  readonly turnId: TurnId;
  readonly programId: ProgramId;
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly rank: number;
}

export interface SetPin {
  readonly type: 'setPin';
  readonly programId: ProgramId;
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly terms: PinTerms;
}

export interface RenewPin {
  readonly type: 'renewPin';
  readonly programId: ProgramId;
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly terms: PinTerms;
}

export interface ReleasePin {
  readonly type: 'releasePin';
  readonly programId: ProgramId;
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
}

/** The program was silent for longer than its idle limit. The shell ends it and posts `programEnded`. */
export interface EndProgram {
  readonly type: 'endProgram';
  readonly programId: ProgramId;
  readonly outcome: 'timedOut';
}

/** Post `timerFired` with this key at (or soon after) this time. Replaces an earlier timer of the key. */
export interface ScheduleTimer {
  readonly type: 'scheduleTimer';
  readonly key: string;
  readonly at: Instant;
}

export interface CancelTimer {
  readonly type: 'cancelTimer';
  readonly key: string;
}

export interface RecordDecision {
  readonly type: 'recordDecision';
  readonly decision: Decision;
}

/** The outcome of an earlier decision is known. */
export interface ResolveDecision {
  readonly type: 'resolveDecision';
  readonly decisionId: number;
  readonly outcome: DecisionOutcome;
  readonly at: Instant;
}
