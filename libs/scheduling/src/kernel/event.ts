import type { EngineDescription, EngineLoad } from '../model/engine.js';
import type { EngineEpoch, EngineId, ProgramId, ToolCallId, TurnId } from '../model/ids.js';
import type { Duration, Instant } from '../model/units.js';
import type { StatisticsDocument } from '../statistics/saved.js';

/**
 * What happened in the world. Plain JSON data: a log of `{ now, event }` replays to the same decisions (I6, I12).
 * Names are in the past tense.
 */
export type KernelEvent =
  | ProgramStarted
  | ProgramEnded
  | ProgramPrioritized
  | TurnSubmitted
  | TurnStarted
  | TurnFinished
  | TurnFailed
  | TurnCancelled
  | ToolCallStarted
  | ToolCallFinished
  | EngineJoined
  | EngineObserved
  | EngineDraining
  | EngineLost
  | PinChanged
  | TimerFired
  | StatisticsLoaded
  | PolicyActivated
  | LeaseLost;

/** A program was accepted. Also sent for programs taken over from an earlier process, with what they had. */
export interface ProgramStarted {
  readonly type: 'programStarted';
  readonly programId: ProgramId;
  readonly tenantId: string;
  readonly programClass: string;
  /** The FCFS key: first arrival of the program. Earlier than `now` for a program taken over. */
  readonly arrivedAt: Instant;
  readonly expectedTurns?: number;
  readonly expectedTokens?: number;
  /** See {@link ProgramPrioritized}; absent: 0. */
  readonly priority?: number;
  /** Silence after which the program is timed out. */
  readonly idleLimit: Duration;
  /** The program that started this one and waits for it; one that is not live counts as none. */
  readonly parentId?: ProgramId;
  /** Tokens of the context so far; 0 for a new program. */
  readonly contextTokens: number;
  readonly turnsFinished: number;
}

/** The program's owner (or its idle limit) ended it. */
export interface ProgramEnded {
  readonly type: 'programEnded';
  readonly programId: ProgramId;
  readonly outcome: 'completed' | 'failed' | 'timedOut';
}

/** An operator wants the program served before those of smaller priority, whatever the policy's own order. */
export interface ProgramPrioritized {
  readonly type: 'programPrioritized';
  readonly programId: ProgramId;
  /** -2 to 2; 0 is that of every other program. */
  readonly priority: number;
}

/** A turn was accepted at the edge; it is valid and its program is live and has no other turn. */
export interface TurnSubmitted {
  readonly type: 'turnSubmitted';
  readonly programId: ProgramId;
  readonly turnId: TurnId;
  readonly promptTokens: number;
  /**
   * Leading tokens equal to the program's context; less than the context after a compaction. Of a program's first turn:
   * equal to its parent's context.
   */
  readonly sharedTokens: number;
  readonly maxOutputTokens: number;
  /** The program will not run another turn. */
  readonly isLast: boolean;
}

/** The engine produced the first token of a turn. */
export interface TurnStarted {
  readonly type: 'turnStarted';
  readonly turnId: TurnId;
}

/** The turn ended in the engine with a complete answer. */
export interface TurnFinished {
  readonly type: 'turnFinished';
  readonly turnId: TurnId;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** What the engine holds for the program now; absent when nothing. */
  readonly pin?: { readonly pinnedTokens: number; readonly expiresAt: Instant };
}

/** The engine did not complete the turn. */
export interface TurnFailed {
  readonly type: 'turnFailed';
  readonly turnId: TurnId;
  /** UPPER_SNAKE, from holdfast.errors.v1.Reason. */
  readonly reason: string;
  /** True when no output reached the caller and the fault is the engine's: the turn may run elsewhere. */
  readonly mayRunElsewhere: boolean;
}

/** The caller gave the turn up. */
export interface TurnCancelled {
  readonly type: 'turnCancelled';
  readonly turnId: TurnId;
}

/** A tool of the program runs now. */
export interface ToolCallStarted {
  readonly type: 'toolCallStarted';
  readonly programId: ProgramId;
  readonly toolCallId: ToolCallId;
  readonly tool: string;
  /** When the caller gives the tool up, if it said so. */
  readonly timeout?: Duration;
}

/** A tool of the program returned. */
export interface ToolCallFinished {
  readonly type: 'toolCallFinished';
  readonly programId: ProgramId;
  readonly toolCallId: ToolCallId;
}

/** An engine is there: for the first time, or again with a new epoch. */
export interface EngineJoined {
  readonly type: 'engineJoined';
  readonly engine: EngineDescription;
}

/** News of an engine's pool and queues. */
export interface EngineObserved {
  readonly type: 'engineObserved';
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly observedAt: Instant;
  readonly load: EngineLoad;
}

/** The operator wants the engine empty: running turns end there, no new ones start. Or no longer wants it. */
export interface EngineDraining {
  readonly type: 'engineDraining';
  readonly engineId: EngineId;
  /** Absent: true. */
  readonly isDraining?: boolean;
}

/** The engine is gone; whatever it ran or held is lost. */
export interface EngineLost {
  readonly type: 'engineLost';
  readonly engineId: EngineId;
  readonly reason: string;
}

/** The engine says that a pin changed. The engine is the authority on residency. */
export interface PinChanged {
  readonly type: 'pinChanged';
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly programId: ProgramId;
  /** `lost`: the engine refused to set or renew it, for the reason given. The rest is what the engine reports. */
  readonly change: 'set' | 'renewed' | 'released' | 'expired' | 'revoked' | 'hit' | 'lost';
  readonly pinnedTokens: number;
  /** Meaningful for set and renewed. */
  readonly expiresAt: Instant;
  /** For revoked: growth, outbid or stall. For lost: a reason of holdfast.errors.v1.Reason. */
  readonly reason?: string;
}

/** A timer that the kernel had asked for is due. */
export interface TimerFired {
  readonly type: 'timerFired';
  readonly key: string;
}

/**
 * What an earlier process learned, or an operator's reset. An event, so that the log with it replays to the same
 * decisions. Parts of policies that are not in use wait for their activation; parts that cannot be read change nothing.
 */
export interface StatisticsLoaded {
  readonly type: 'statisticsLoaded';
  readonly document: StatisticsDocument;
}

/**
 * The pool is scheduled by another policy from now on. Programs, turns and pins stay as they are; turns that wait are
 * ordered anew, and admitted anew where the admission policy changes. What a policy had learned is kept for its return.
 */
export interface PolicyActivated {
  readonly type: 'policyActivated';
  /** Version of the policy document, for the log. */
  readonly version: number;
  /** Name and parameters, as `parsePolicy` reads them; one that it does not read changes nothing. */
  readonly policy: string;
}

/** The pool belongs to another replica from now on. */
export interface LeaseLost {
  readonly type: 'leaseLost';
  /** Token of the lease that was lost; a token that is not the kernel's own changes nothing (I11). */
  readonly fencingToken: number;
}
