import type { EngineDescription, EngineLoad } from '../model/engine.js';
import type { EngineEpoch, EngineId, ProgramId, ToolCallId, TurnId } from '../model/ids.js';
import type { Duration, Instant } from '../model/units.js';
import type { PolicyMemory } from '../statistics/saved.js';

/** What a policy may know of a program. Read-only views of the kernel's own records: do not keep them. */
export interface ProgramFacts {
  readonly programId: ProgramId;
  readonly tenantId: string;
  readonly programClass: string;
  /** Of a sub-agent: its parent's. */
  readonly arrivedAt: Instant;
  /** The live program that started this one and waits for it; null: nobody does. */
  readonly parentId: ProgramId | null;
  /** Live programs that it started. */
  readonly childIds: ReadonlySet<ProgramId>;
  /** Size hints of the client. */
  readonly expectedTurns: number | null;
  readonly expectedTokens: number | null;
  /** Larger is to be served first. The kernel sees to it in its queues; admission keeps a line of its own. */
  readonly priority: number;
  readonly contextTokens: number;
  readonly turnsFinished: number;
  /** Tokens computed for the program so far: uncached prompt and output. */
  readonly attainedTokens: number;
  readonly lastTurnFinishedAt: Instant | null;
  readonly openToolCalls: ReadonlyMap<ToolCallId, { readonly tool: string; readonly startedAt: Instant }>;
  /** Engine that computed its context last, in which epoch; null before the first turn and after that engine is lost. */
  readonly home: { readonly engineId: EngineId; readonly epoch: EngineEpoch } | null;
  /** Its turn that waits or runs; null between two turns. */
  readonly turn: TurnFacts | null;
}

/** What a policy may know of a turn. Its output length is in the future. */
export interface TurnFacts {
  readonly turnId: TurnId;
  readonly index: number;
  readonly submittedAt: Instant;
  readonly promptTokens: number;
  /** Leading tokens equal to the program's context, or at its first turn to its parent's. */
  readonly sharedTokens: number;
  readonly isLast: boolean;
  readonly state: 'queued' | 'deferred' | 'dispatched' | 'started';
  readonly dispatchedAt: Instant | null;
  readonly startedAt: Instant | null;
}

/** What a policy may know of an engine; `observedAt` tells the age of `load` (I7). */
export interface EngineFacts {
  readonly description: EngineDescription;
  readonly draining: boolean;
  /** Prompt tokens of the turns it works on. */
  readonly activeTokens: number;
  /** Context tokens of live programs whose KV lies there or lay there last. */
  readonly homeTokens: number;
  readonly load: EngineLoad | null;
  readonly observedAt: Instant | null;
}

/** Facts that policies learn from. All lie in the past; every family gets all of them. */
export type PolicyFact =
  | {
      readonly type: 'toolCallEnded';
      readonly program: ProgramFacts;
      /** Empty when the client named none. */
      readonly tool: string;
      readonly duration: Duration;
      /** The client did not report begin or end: this is the gap between two turns. */
      readonly inferred: boolean;
      /** Up to where `toolCallRuns` told of the call already; absent: it did not. */
      readonly told?: Duration;
    }
  /** It runs on. Told now and then, at least a factor of 2 apart: who learns of ended calls only takes all for quick. */
  | {
      readonly type: 'toolCallRuns';
      readonly program: ProgramFacts;
      readonly tool: string;
      readonly elapsed: Duration;
      /** Up to where it was told already. */
      readonly told: Duration;
    }
  | {
      readonly type: 'turnRan';
      readonly program: ProgramFacts;
      readonly turn: TurnFacts;
      /** The turn had a context and most of its KV was gone. */
      readonly wasEvicted: boolean;
      /** Time from submission to first token, less the prefill of what was not cached. */
      readonly queueDelay: Duration;
      readonly uncachedTokens: number;
      readonly outputTokens: number;
    }
  /** The program is between two turns and nothing holds its context any more: it may be gone when it returns. */
  | { readonly type: 'contextReleased'; readonly program: ProgramFacts }
  | { readonly type: 'programEnded'; readonly program: ProgramFacts; readonly completed: boolean };

/** A rule that learns: its state is plain data that the kernel owns. */
export interface LearningPolicy<S> {
  /** Typed name, `family.kebab-name`. */
  readonly type: string;
  /** Pure. */
  initialState(): S;
  /** Modifies `state`. */
  observe(state: S, fact: PolicyFact, now: Instant): void;
  /** The policy wants to look again at this interval; absent: events are enough. */
  readonly tickEvery?: Duration;
  /** How what it learned outlives the process; absent: nothing that is worth it. */
  readonly memory?: PolicyMemory<S>;
}
