import type { Instant } from '../../model/units.js';

/** What an ordering policy may look at. */
export interface OrderingView {
  readonly turnSubmittedAt: Instant;
  readonly programArrivedAt: Instant;
  /** The program's KV is under a live pin. */
  readonly isPinned: boolean;
}

/** Which waiting turn is next? */
export interface OrderingPolicy {
  /** Typed name, `ordering.kebab-name`. */
  readonly type: string;
  /**
   * Pure. A safe integer, smaller first. The kernel breaks ties by submission, so the order is total; engines that
   * order by rank get the same number.
   */
  rank(view: OrderingView): number;
}
