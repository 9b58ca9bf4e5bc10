import type { PinTerms } from '../../kernel/command.js';
import type { PrefillCost } from '../../model/engine.js';
import type { Duration, Instant } from '../../model/units.js';

/** What a retention policy may look at. */
export interface RetentionView {
  /**
   * `dispatch`: the turn goes to the engine now and the tool is not known yet; the pin rides on the request and
   * bridges the moment until it is. `toolCall`: a tool of the program runs now.
   */
  readonly moment: 'dispatch' | 'toolCall';
  /** The tool; absent at dispatch. */
  readonly tool?: string;
  /** When the caller gives the tool up. */
  readonly toolTimeout?: Duration;
  readonly programArrivedAt: Instant;
  readonly turnsFinished: number;
  /** Tokens of KV at stake. */
  readonly contextTokens: number;
  /** Rebuilding cost on the engine that holds the KV. */
  readonly prefillCost: PrefillCost;
}

/** Facts a policy may learn from. All lie in the past. */
export type RetentionFact =
  | {
      readonly type: 'toolCallEnded';
      readonly tool: string;
      readonly duration: Duration;
      /** The client did not report begin or end: this is the gap between two turns. */
      readonly inferred: boolean;
    }
  | {
      readonly type: 'turnRan';
      /** The turn had a context and most of its KV was gone. */
      readonly wasEvicted: boolean;
      /** Time from submission to first token, less the prefill of what was not cached. */
      readonly queueDelay: Duration;
    }
  | { readonly type: 'programCompleted'; readonly turns: number };

/** What is to be held, and why. */
export interface RetentionChoice {
  /** `null`: hold nothing. */
  readonly terms: PinTerms | null;
  readonly reason: string;
  readonly inputs: Readonly<Record<string, number | string | boolean | null>>;
}

/**
 * How long to keep a program's KV? Policies are pure over the view and their own state, which the kernel owns.
 *
 * @typeParam S - plain data.
 */
export interface RetentionPolicy<S = unknown> {
  /** Typed name, `retention.kebab-name`. */
  readonly type: string;
  /** A pin whose program's next turn waits already does not expire. */
  readonly holdsWhileWaiting: boolean;
  /** Pure. */
  initialState(): S;
  /** Modifies `state`. */
  observe(state: S, fact: RetentionFact): void;
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
