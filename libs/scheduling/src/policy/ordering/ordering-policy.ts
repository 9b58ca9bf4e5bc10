import type { Instant } from '../../model/units.js';
import type { LearningPolicy, ProgramFacts, TurnFacts } from '../facts.js';

/** What an ordering policy may look at. */
export interface OrderingView {
  readonly program: ProgramFacts;
  readonly turn: TurnFacts;
  /** The program's KV is under a live pin. */
  readonly isPinned: boolean;
  readonly now: Instant;
}

/** Which waiting turn is next? */
export interface OrderingPolicy<S = unknown> extends LearningPolicy<S> {
  /**
   * Pure. A safe integer, smaller first. The kernel breaks ties by submission, so the order is total; engines that
   * order by rank get the same number. It is asked again when the program's pin changes, and at each tick; a new rank
   * of a turn that is on an engine already is sent there.
   */
  rank(state: S, view: OrderingView): number;
}

/** Pure. An ordering policy that learns nothing. */
export const fixedOrdering = (type: string, rank: (view: OrderingView) => number): OrderingPolicy => ({
  type,
  initialState: () => null,
  observe: () => undefined,
  rank: (_state, view) => rank(view),
});
