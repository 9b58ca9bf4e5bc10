import type { EngineId, ProgramId, TurnId } from '../model/ids.js';
import type { Instant } from '../model/units.js';

/** What became of a decision. Retention decisions end as one of the pin outcomes. */
export type DecisionOutcome = 'hit' | 'expired' | 'revoked' | 'released' | 'lost' | 'replaced';

/** The record of one choice: what was decided, from which inputs, why. JSON data. */
export interface Decision {
  /** Counts decisions of this kernel from 1. */
  readonly decisionId: number;
  readonly at: Instant;
  readonly kind: 'dispatch' | 'retention' | 'rejection';
  /** Typed name of the policy that chose, e.g. `retention.continuum`. */
  readonly policy: string;
  readonly programId: ProgramId;
  readonly turnId?: TurnId;
  readonly engineId?: EngineId;
  /** One word or phrase of what was chosen, e.g. `pin`, `no-pin`, `dispatch`. */
  readonly choice: string;
  /** Why, for people: one sentence. */
  readonly reason: string;
  /** The numbers that mattered, with units in their names. */
  readonly inputs: Readonly<Record<string, number | string | boolean | null>>;
  /** What the engine cannot do and what was done instead, if anything. */
  readonly lowering?: string;
}
