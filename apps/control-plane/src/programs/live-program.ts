import type { StoredToolCallOutcome } from '@holdfast/persistence';
import type { Duration, Instant, ProgramId, ToolCallId } from '@holdfast/scheduling';
import type { ProgramTrace } from '../telemetry/program-trace.js';
import type { LiveTurn } from '../turns/live-turn.js';
import type { PreparedPrompt, ProgramContext } from './program-context.js';
import type { TextTurn } from './text-turn.js';

/** What a program was started with. */
export interface ProgramFacts {
  readonly programId: ProgramId;
  readonly tenantId: string;
  readonly name: string;
  readonly model: string;
  readonly programClass: string;
  /** The program that started it, which may have ended since. */
  readonly parentId?: ProgramId;
  readonly startedAt: Instant;
  readonly idleLimit: Duration;
  readonly expectedTurns?: number;
  readonly expectedTokens?: number;
}

/** Sums over finished turns, and what goes with them. */
export interface ProgramCounts {
  turnsFinished: number;
  /** Turns accepted, failed ones included. */
  turnsSubmitted: number;
  toolCallsEnded: number;
  promptTokens: number;
  cachedTokens: number;
  outputTokens: number;
  recomputedTokens: number;
}

/** A tool call that has begun and not ended. */
export interface OpenToolCall {
  readonly tool: string;
  readonly commandClass: string | null;
  readonly timeout: Duration | null;
  readonly beganAt: Instant;
}

/** How and when a program ended. */
export interface ProgramEnd {
  readonly outcome: 'completed' | 'failed' | 'timedOut';
  readonly at: Instant;
  readonly message: string;
}

/** An accepted call: the same request id with the same body gets the same answer. */
export interface Receipt {
  readonly bodyDigest: string;
  /** The encoded answer; a failure leaves no receipt. */
  readonly answer: Promise<Uint8Array>;
}

/** A live program, as the edge knows it. The kernel knows where it stands; this is what the kernel need not know. */
export class LiveProgram {
  readonly facts: ProgramFacts;
  readonly trace: ProgramTrace;
  readonly counts: ProgramCounts;
  /** Taken over from an earlier process: its older request ids are in the database only. */
  readonly isRestored: boolean;

  /** Null while it is spilled. */
  context: ProgramContext | null;
  /** The conversation since its last whole restart; spilled with the context. */
  textTurns: TextTurn[] = [];
  contextTokens: number;
  /** Larger is served first. */
  priority: number;
  /** The turn that has not ended. */
  turn: LiveTurn | null = null;
  /** Of that turn. */
  prompt: PreparedPrompt | null = null;
  /** The last turn that finished, kept for a caller who lost its answer. */
  lastTurn: LiveTurn | null = null;
  end: ProgramEnd | null = null;
  lastActiveAt: Instant;

  /** Body digests of the turns that finished, by request id. */
  readonly turnDigests = new Map<string, string>();
  /** Receipts of the other calls, by rpc and request id. */
  readonly receipts = new Map<string, Receipt>();
  readonly openToolCalls = new Map<ToolCallId, OpenToolCall>();
  readonly endedToolCalls = new Map<ToolCallId, StoredToolCallOutcome>();
  readonly watchers = new Set<() => void>();

  constructor(init: {
    readonly facts: ProgramFacts;
    readonly trace: ProgramTrace;
    readonly counts?: ProgramCounts;
    readonly context: ProgramContext | null;
    readonly contextTokens: number;
    readonly priority?: number;
    readonly lastActiveAt: Instant;
    readonly isRestored: boolean;
  }) {
    this.facts = init.facts;
    this.trace = init.trace;
    this.counts = init.counts ?? emptyCounts();
    this.context = init.context;
    this.contextTokens = init.contextTokens;
    this.priority = init.priority ?? 0;
    this.lastActiveAt = init.lastActiveAt;
    this.isRestored = init.isRestored;
  }

  get programId(): ProgramId {
    return this.facts.programId;
  }

  /** Tells the watchers that something changed. */
  changed(): void {
    for (const watcher of this.watchers) watcher();
  }
}

const emptyCounts = (): ProgramCounts => ({
  turnsFinished: 0,
  turnsSubmitted: 0,
  toolCallsEnded: 0,
  promptTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  recomputedTokens: 0,
});
