import type { ProgramId } from '../model/ids.js';
import { between, type Instant } from '../model/units.js';
import type { PolicyFact, ProgramFacts } from './facts.js';

/** One turn and the absence after it, in microseconds. */
interface Cycle {
  readonly reasoning: number;
  /** 0 until the next turn has run: what lasts is read off the program. */
  acting: number;
}

/** Cycles that count: k of MORI (arXiv 2606.00866). */
const CYCLES = 5;
/** Of a program that has not run yet; the paper gives none. */
const UNKNOWN_IDLENESS = 0.5;

/** The last cycles of each live program. Plain data. */
export type IdlenessState = Map<ProgramId, Cycle[]>;

/** Modifies `state`. */
export const observeIdleness = (state: IdlenessState, fact: PolicyFact, now: Instant): void => {
  const { programId, lastTurnFinishedAt } = fact.program;
  if (fact.type === 'programEnded') state.delete(programId);
  if (fact.type !== 'turnRan') return;
  const { dispatchedAt, submittedAt } = fact.turn;
  const cycles = state.get(programId) ?? [];
  const last = cycles.at(-1);
  if (last !== undefined && lastTurnFinishedAt !== null) last.acting = between(lastTurnFinishedAt, submittedAt);
  cycles.push({ reasoning: between(dispatchedAt ?? submittedAt, now), acting: 0 });
  state.set(programId, cycles.slice(-CYCLES));
};

/**
 * Pure. Share of its last five cycles that the program spent on tools, 0 to 1: T_acting / (T_reasoning + T_acting) of MORI
 * (arXiv 2606.00866). A tool that runs counts for as long as it has run; waiting for the scheduler counts as neither.
 */
export const idlenessOf = (state: IdlenessState, program: ProgramFacts, now: Instant): number => {
  const cycles = state.get(program.programId);
  if (cycles === undefined) return UNKNOWN_IDLENESS;
  const { turn, lastTurnFinishedAt } = program;
  let acting = lastTurnFinishedAt === null ? 0 : between(lastTurnFinishedAt, turn?.submittedAt ?? now);
  let reasoning = 0;
  for (const cycle of cycles) {
    acting += cycle.acting;
    reasoning += cycle.reasoning;
  }
  return acting + reasoning === 0 ? UNKNOWN_IDLENESS : acting / (acting + reasoning);
};
