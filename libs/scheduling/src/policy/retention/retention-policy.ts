import type { PinTerms } from '../../kernel/command.js';
import type { Duration, Instant } from '../../model/units.js';
import type { EngineFacts, LearningPolicy, ProgramFacts } from '../facts.js';

/** What a retention policy may look at. */
export interface RetentionView {
  /**
   * `dispatch`: the turn goes to the engine now and the tool is not known yet; the pin rides on the request and
   * bridges the moment until it is. `toolCall`: a tool of the program starts now. `reconsider`: it still runs, or
   * whoever sends the next turn still takes his time.
   */
  readonly moment: 'dispatch' | 'toolCall' | 'reconsider';
  readonly program: ProgramFacts;
  /** Engine that holds the KV. */
  readonly engine: EngineFacts;
  /** Tokens of KV at stake. */
  readonly contextTokens: number;
  /** The tool; absent at dispatch; empty where no tool was named. */
  readonly tool?: string;
  /** When the caller gives the tool up. */
  readonly toolTimeout?: Duration;
  /** Since the tool started, or since the last turn ended. */
  readonly elapsed: Duration;
  /** The program's KV is under a live pin. */
  readonly isPinned: boolean;
  /** Turns of the pool that wait for an engine, deferred ones included: who could use the memory. */
  readonly waitingTurns: number;
  readonly now: Instant;
}

/** What is to be held, and why. */
export interface RetentionChoice {
  /** `null`: hold nothing. */
  readonly terms: PinTerms | null;
  /** At dispatch: what the turn offers for pinned memory; absent means 0. */
  readonly bid?: number;
  readonly reason: string;
  readonly inputs: Readonly<Record<string, number | string | boolean | null>>;
}

/**
 * How long to keep a program's KV, how firmly, and what to bid for that of others?
 *
 * @typeParam S - plain data.
 */
export interface RetentionPolicy<S = unknown> extends LearningPolicy<S> {
  /** A pin whose program's next turn waits already does not expire. */
  readonly holdsWhileWaiting: boolean;
  /** Pure. */
  choose(state: S, view: RetentionView): RetentionChoice;
}

/** Pins below this are not worth a message (continuum_dy's bound). */
export const SHORTEST_PIN_SECONDS = 0.01;

/**
 * Pure. The value of a pin that no bid may take: far above any price, and lower for programs that arrived later, so
 * that growth and stall take the youngest program's pin first (Continuum Algorithm 1, "latest program arrival first").
 */
export const unyieldingValue = (programArrivedAt: Instant): number => 1e16 - programArrivedAt;

/** A bid above every unyielding value: whatever is pinned gives way as soon as the bidder does not fit. */
export const OUTBIDS_EVERY_PIN = 2e16;
