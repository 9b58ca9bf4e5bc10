/**
 * What is stored, as plain data. Every value is absolute (counts, never increments), so writing a row twice has the
 * effect of writing it once. `null` or absent means "none".
 */
import type {
  Decision,
  DecisionOutcome,
  Duration,
  EngineEpoch,
  EngineId,
  Instant,
  KernelEvent,
  ProgramId,
  ToolCallId,
  TurnId,
} from '@holdfast/scheduling';

/** States of a program; the first four are live. */
export const programStates = ['idle', 'queued', 'running', 'toolCall', 'completed', 'failed', 'timedOut'] as const;
export type StoredProgramState = (typeof programStates)[number];

/** States of a turn; the first three are unfinished. */
export const turnStates = ['submitted', 'dispatched', 'started', 'finished', 'failed', 'cancelled'] as const;
export type StoredTurnState = (typeof turnStates)[number];

export type StoredTurnInputKind = 'append' | 'prompt' | 'appendMessages' | 'conversation';
export type StoredFinishReason = 'stop' | 'length' | 'abort';
export type StoredToolCallOutcome = 'succeeded' | 'failed' | 'cancelled';

/** Anything JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

/** One agent run. */
export interface ProgramRow {
  readonly programId: ProgramId;
  readonly poolId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly model: string;
  readonly programClass: string;
  /** The program that started it, which may have ended since. */
  readonly parentId?: ProgramId | null;
  readonly state: StoredProgramState;
  /** Larger is served first; 0 unless an operator changed it. */
  readonly priority: number;
  readonly expectedTurns?: number | null;
  readonly expectedTokens?: number | null;
  readonly idleLimit: Duration;
  readonly startedAt: Instant;
  readonly lastActiveAt: Instant;
  readonly endedAt?: Instant | null;
  /** Why it ended, for people. */
  readonly endMessage?: string | null;
  readonly turnsFinished: number;
  readonly toolCallsEnded: number;
  readonly contextTokens: number;
  /** Sums over finished turns. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly recomputedTokens: number;
  readonly engineId?: EngineId | null;
  /** W3C traceparent of the program's trace. */
  readonly traceparent?: string | null;
}

/** One model invocation. Context after a finished turn = first `keepTokens` of the one before + appended + output. */
export interface TurnRow {
  readonly turnId: TurnId;
  readonly programId: ProgramId;
  /** Counts the program's turns from 0. */
  readonly ordinal: number;
  readonly requestId: string;
  readonly bodyDigest: Uint8Array;
  readonly state: StoredTurnState;
  readonly inputKind: StoredTurnInputKind;
  readonly isLast: boolean;
  /** Leading tokens of the context before the turn that its prompt keeps. */
  readonly keepTokens: number;
  /** Token ids of the prompt after the kept ones. */
  readonly appendedIds: Uint32Array;
  /** Token ids produced; set when the turn finishes. */
  readonly outputIds?: Uint32Array | null;
  /** Their log probabilities, as the service encodes them; for turns that asked for them. */
  readonly outputLogprobs?: Uint8Array | null;
  /** Messages and tools of a turn that came as text. */
  readonly messages?: JsonValue;
  readonly outputText?: string | null;
  readonly promptTokens: number;
  readonly cachedTokens?: number | null;
  readonly outputTokens?: number | null;
  readonly recomputedTokens?: number | null;
  readonly finishReason?: StoredFinishReason | null;
  readonly engineId?: EngineId | null;
  readonly submittedAt: Instant;
  readonly dispatchedAt?: Instant | null;
  /** First output token. */
  readonly startedAt?: Instant | null;
  readonly finishedAt?: Instant | null;
  /** Name of a holdfast.errors.v1.Reason. */
  readonly failureReason?: string | null;
  readonly failureMessage?: string | null;
}

/** One tool call. */
export interface ToolCallRow {
  readonly programId: ProgramId;
  readonly toolCallId: ToolCallId;
  readonly tool: string;
  readonly commandClass?: string | null;
  readonly timeout?: Duration | null;
  readonly beganAt: Instant;
  readonly endedAt?: Instant | null;
  readonly outcome?: StoredToolCallOutcome | null;
}

/** One life of a pin, from set to its end. */
export interface PinRow {
  /** Chosen by the writer of the row, unique. */
  readonly pinId: string;
  readonly programId: ProgramId;
  readonly engineId: EngineId;
  readonly engineEpoch: EngineEpoch;
  readonly pinnedTokens: number;
  readonly setAt: Instant;
  readonly expiresAt: Instant;
  readonly endedAt?: Instant | null;
  readonly outcome?: DecisionOutcome | null;
  /** For revoked: growth, outbid or stall. */
  readonly reason?: string | null;
}

/** One choice of a policy and, once known, what became of it. */
export interface DecisionRow extends Decision {
  readonly outcome?: DecisionOutcome | null;
  readonly outcomeAt?: Instant | null;
}

/** One entry of a pool's event log: what the kernel was told, and when. */
export interface PoolEventRow {
  /** Counts the pool's events, without gaps, across replicas. */
  readonly sequence: number;
  readonly at: Instant;
  readonly event: KernelEvent;
}

/** A mutating call that was accepted. */
export interface RequestRow {
  /** What the id is unique within, e.g. a tenant or a program. */
  readonly scope: string;
  readonly requestId: string;
  readonly bodyDigest: Uint8Array;
  /** The answer, encoded by the edge. */
  readonly result?: Uint8Array | null;
  readonly recordedAt: Instant;
}

/** Tables that a {@link WriteBehind} writes. */
export interface Rows {
  readonly program: ProgramRow;
  readonly turn: TurnRow;
  readonly toolCall: ToolCallRow;
  readonly pin: PinRow;
  readonly decision: DecisionRow;
  readonly poolEvent: PoolEventRow;
  readonly request: RequestRow;
}

/** Fields that name one row of a table within a pool. */
export interface RowKeys {
  readonly program: 'programId';
  readonly turn: 'turnId';
  readonly toolCall: 'programId' | 'toolCallId';
  readonly pin: 'pinId';
  readonly decision: 'decisionId';
  readonly poolEvent: 'sequence';
  readonly request: 'scope' | 'requestId';
}

export type TableName = keyof Rows;

/** The key of a row and the fields that change. */
export type RowChanges<Table extends TableName> = Pick<Rows[Table], RowKeys[Table] & keyof Rows[Table]> &
  Partial<Rows[Table]>;
