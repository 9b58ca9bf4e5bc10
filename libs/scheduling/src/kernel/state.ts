import type { EngineDescription, EngineLoad } from '../model/engine.js';
import type { EngineEpoch, EngineId, ProgramId, ToolCallId, TurnId } from '../model/ids.js';
import type { Duration, Instant } from '../model/units.js';
import type { PinTerms } from './command.js';
import { TurnQueue } from './turn-queue.js';

/** A turn from its submission until it ended. */
export interface TurnRecord {
  readonly turnId: TurnId;
  readonly program: ProgramRecord;
  /** Number in its program, from 0. */
  readonly index: number;
  /** Counts submissions in this kernel: the last key of every order, so that orders are total. */
  readonly sequence: number;
  readonly submittedAt: Instant;
  readonly promptTokens: number;
  readonly sharedTokens: number;
  readonly maxOutputTokens: number;
  readonly isLast: boolean;
  state: 'queued' | 'deferred' | 'dispatched' | 'started';
  /** Order wanted, smaller first; kept current while the turn is queued. */
  rank: number;
  /** Its rank has changed while it was alone on its engine, which has not been told. */
  hasUntoldRank: boolean;
  /** Queue it waits in; null when in none. */
  queue: TurnQueue | null;
  /** When it began to compete for an engine: later than its submission if it was deferred. */
  queuedAt: Instant;
  /** The admission policy chose the engine that it waits for. */
  isPlaced: boolean;
  /** Place in the heap of its queue; -1 when in none. */
  heapIndex: number;
  /** Engine it runs on, once dispatched. */
  engineId: EngineId | null;
  dispatchedAt: Instant | null;
  startedAt: Instant | null;
  /** The pin that rode on the request, if it asked for one. */
  hold: { readonly decisionId: number; readonly terms: PinTerms } | null;
  /** What the engine said of that pin before it said that the turn finished: its events overtake its answers. */
  holdChange: 'set' | 'expired' | 'revoked' | null;
  /** A timer renews the program's pin while the turn waits. */
  hasHoldTimer: boolean;
}

/** A pin as the kernel believes it. The engine is the authority. */
export interface PinRecord {
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  terms: PinTerms;
  pinnedTokens: number;
  expiresAt: Instant;
  decisionId: number;
}

/** A tool call that has begun and not ended. */
export interface OpenToolCall {
  readonly toolCallId: ToolCallId;
  readonly tool: string;
  readonly startedAt: Instant;
  /** When the caller gives it up. */
  readonly timeout: Duration | null;
  /** How long it has run as far as the policies were told. */
  told: Duration;
}

/** A live program. */
export interface ProgramRecord {
  readonly programId: ProgramId;
  readonly tenantId: string;
  readonly programClass: string;
  /** Of a sub-agent: its parent's, as its work is part of that one's. */
  readonly arrivedAt: Instant;
  /** The live program that started this one. */
  parentId: ProgramId | null;
  /** Live programs that this one started. */
  readonly childIds: Set<ProgramId>;
  readonly idleLimit: Duration;
  readonly expectedTurns: number | null;
  readonly expectedTokens: number | null;
  /** Larger is served first. */
  priority: number;
  contextTokens: number;
  turnsFinished: number;
  /** Tokens computed for it so far: uncached prompt and output. */
  attainedTokens: number;
  turn: TurnRecord | null;
  readonly openToolCalls: Map<ToolCallId, OpenToolCall>;
  /** Engine that computed its context last, in which epoch. */
  home: { readonly engineId: EngineId; readonly epoch: EngineEpoch } | null;
  pin: PinRecord | null;
  /** End of its last turn; null before the first. */
  lastTurnFinishedAt: Instant | null;
  /** Tool calls were begun since the last turn ended, so the gap needs no guess. */
  gapHadToolCall: boolean;
  /** How long a gap without tool calls has lasted as far as the policies were told. */
  gapTold: Duration;
  lastActivityAt: Instant;
}

/** An engine that is there. */
export interface EngineRecord {
  readonly description: EngineDescription;
  draining: boolean;
  /** Dispatched turns that have not ended. */
  readonly inFlight: Map<TurnId, TurnRecord>;
  /** Of those, without a first token. */
  unstarted: number;
  /** Prompt tokens of those. */
  activeTokens: number;
  /** Context tokens of live programs whose home this is: what they would like to keep here. */
  homeTokens: number;
  /** Turns that wait for this engine, because it holds their KV. */
  readonly queue: TurnQueue;
  load: EngineLoad | null;
  observedAt: Instant | null;
}

/** Counters of what happened to pins and turns. */
export interface KernelCounters {
  turnsSubmitted: number;
  turnsFinished: number;
  turnsFailed: number;
  turnsCancelled: number;
  turnsRejected: number;
  turnsMoved: number;
  pinsSet: number;
  pinsHit: number;
  pinsExpired: number;
  pinsRevoked: number;
  pinsReleased: number;
  pinsLost: number;
}

/** Everything the kernel knows. One writer. */
export interface KernelState {
  now: Instant;
  isOwner: boolean;
  readonly programs: Map<ProgramId, ProgramRecord>;
  readonly turns: Map<TurnId, TurnRecord>;
  /** In order of attachment. */
  readonly engines: Map<EngineId, EngineRecord>;
  /** Turns that may run on any engine. */
  readonly sharedQueue: TurnQueue;
  /** Turns that the admission policy keeps aside, in order of deferral. */
  readonly deferred: Map<TurnId, TurnRecord>;
  /** Turns in a queue; deferred ones are not. */
  queuedTurns: number;
  /** A tick is scheduled. */
  isTicking: boolean;
  /** And comes earlier than the policies asked for. */
  isTickHastened: boolean;
  /** Ticks that retention could have used. */
  ticks: number;
  /** Programs between two turns that have a pin: what a retention policy may reconsider. */
  readonly idlePinned: Set<ProgramRecord>;
  /** Programs between two turns: what lasts long is told to the policies while it lasts. */
  readonly away: Set<ProgramRecord>;
  nextTurnSequence: number;
  nextDecisionId: number;
  readonly counters: KernelCounters;
}

/** Pure. */
export const emptyState = (): KernelState => ({
  now: 0 as Instant,
  isOwner: true,
  programs: new Map(),
  turns: new Map(),
  engines: new Map(),
  sharedQueue: new TurnQueue(),
  deferred: new Map(),
  queuedTurns: 0,
  isTicking: false,
  isTickHastened: false,
  ticks: 0,
  idlePinned: new Set(),
  away: new Set(),
  nextTurnSequence: 0,
  nextDecisionId: 1,
  counters: {
    turnsSubmitted: 0,
    turnsFinished: 0,
    turnsFailed: 0,
    turnsCancelled: 0,
    turnsRejected: 0,
    turnsMoved: 0,
    pinsSet: 0,
    pinsHit: 0,
    pinsExpired: 0,
    pinsRevoked: 0,
    pinsReleased: 0,
    pinsLost: 0,
  },
});

/** Pure. The pin that holds at `now`, by the kernel's own clock; a pin that the engine has not confirmed is none. */
export const livePin = (program: ProgramRecord, now: Instant): PinRecord | null =>
  program.pin !== null && program.pin.pinnedTokens > 0 && program.pin.expiresAt > now ? program.pin : null;

/** Modifies state. Moves the program's claim on memory to another engine, or to none. */
export const moveHome = (state: KernelState, program: ProgramRecord, engine: EngineRecord | null): void => {
  if (program.home !== null) {
    const old = state.engines.get(program.home.engineId);
    if (old !== undefined && old.description.epoch === program.home.epoch) old.homeTokens -= program.contextTokens;
  }
  program.home = engine === null ? null : { engineId: engine.description.engineId, epoch: engine.description.epoch };
  if (engine !== null) engine.homeTokens += program.contextTokens;
};

/** Modifies state. The program's context has this many tokens now. */
export const growContext = (state: KernelState, program: ProgramRecord, contextTokens: number): void => {
  const engine = program.home === null ? undefined : state.engines.get(program.home.engineId);
  if (engine !== undefined && engine.description.epoch === program.home?.epoch) {
    engine.homeTokens += contextTokens - program.contextTokens;
  }
  program.contextTokens = contextTokens;
};
