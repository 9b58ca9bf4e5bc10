import type { EngineId, ProgramId } from '../../model/ids.js';
import type { Instant } from '../../model/units.js';
import type { EngineFacts, LearningPolicy, ProgramFacts, TurnFacts } from '../facts.js';

/** A program and its turn that waits, if it has one. */
export interface Candidate {
  readonly program: ProgramFacts;
  readonly turn: TurnFacts;
}

/** The pool as an admission policy may see it. */
export interface PoolFacts {
  readonly engines: readonly EngineFacts[];
  readonly programs: ReadonlyMap<ProgramId, ProgramFacts>;
  readonly now: Instant;
}

/** Pure. Is a turn kept aside? */
export const isAnyDeferred = ({ programs }: PoolFacts): boolean => {
  for (const { turn } of programs.values()) if (turn?.state === 'deferred') return true;
  return false;
};

/**
 * May this turn compete for an engine now? Deferred turns are kept aside, in order of deferral, until the policy
 * releases their program: at each tick, and whenever a turn or a program has ended.
 *
 * @typeParam S - plain data.
 */
export interface AdmissionPolicy<S = unknown> extends LearningPolicy<S> {
  /** Modifies `state`. False defers the turn. */
  admit(state: S, candidate: Candidate, pool: PoolFacts): boolean;
  /**
   * Modifies `state`. Programs whose deferred turns may compete from now on, in this order. The deferred ones come in
   * order of deferral and lazily: whoever reads only the first few of thousands pays for those few.
   */
  release(state: S, deferred: Iterable<Candidate>, pool: PoolFacts): readonly ProgramId[];
  /**
   * Modifies `state`. The policy takes over while this program is past its admission: its turn runs, or its context is
   * held for it. Asked for each of them, in order of arrival, before anything else. Absent: the pool's facts are enough.
   */
  adopt?(state: S, program: ProgramFacts, now: Instant): void;
  /** Pure. The engine that an admitted program's turn should run on; absent or null: the pool chooses. */
  placementOf?(state: S, programId: ProgramId): EngineId | null;
}
