/**
 * Hazards of durations on bins of equal ratio: how many calls reached a bin, and how many ended in it. The estimate of
 * Kaplan and Meier: a call that still runs counts as far as it has come.
 */

import { savedAmount, savedAmounts, type Saved } from './saved.js';

/** Upper edge of the first bin, seconds: what is shorter is not told apart. */
const FIRST_EDGE_SECONDS = 0.001;
const BINS_PER_DOUBLING = 4;
/** Up to about 9 hours; the last bin has no upper edge. */
export const HAZARD_BINS = 101;

const upperEdges = Float64Array.from({ length: HAZARD_BINS }, (_, bin) =>
  bin === HAZARD_BINS - 1 ? Infinity : FIRST_EDGE_SECONDS * 2 ** (bin / BINS_PER_DOUBLING),
);

/** Pure. Upper end of a bin, seconds; Infinity for the last. */
export const upperEdgeSeconds = (bin: number): number => upperEdges[bin]!;

/** Pure. Lower end of a bin, seconds. */
export const lowerEdgeSeconds = (bin: number): number => (bin === 0 ? 0 : upperEdges[bin - 1]!);

/** Pure. Bin of a duration: the first one whose upper edge it does not exceed. */
export const hazardBinOf = (seconds: number): number => {
  if (!(seconds > FIRST_EDGE_SECONDS)) return 0;
  const bin = Math.ceil(BINS_PER_DOUBLING * Math.log2(seconds / FIRST_EDGE_SECONDS) - 1e-9);
  return Math.min(HAZARD_BINS - 1, bin);
};

/** Counts of one population. */
export class Hazards {
  readonly reached = new Float64Array(HAZARD_BINS);
  readonly ended = new Float64Array(HAZARD_BINS);
  #endedSinceHalving = 0;

  /** @param halfLife - calls that must end until earlier ones count half. */
  constructor(private readonly halfLife: number) {}

  /** Modifies state. A call went on from `fromSeconds` (0: it is new) to `toSeconds`, and ended there or not. */
  add(fromSeconds: number, toSeconds: number, isOver: boolean): void {
    const to = hazardBinOf(toSeconds);
    // The bin that was told last is counted already.
    const from = fromSeconds <= 0 ? 0 : hazardBinOf(fromSeconds) + 1;
    for (let bin = from; bin <= to; bin += 1) this.reached[bin]! += 1;
    if (!isOver) return;
    this.ended[to]! += 1;
    this.#endedSinceHalving += 1;
    if (this.#endedSinceHalving >= this.halfLife) this.#halve();
  }

  /** Pure. */
  save(): Saved {
    return { reached: [...this.reached], ended: [...this.ended], endedSinceHalving: this.#endedSinceHalving };
  }

  /** Pure. Undefined when `saved` is not what `save` gave. */
  static load(saved: unknown, halfLife: number): Hazards | undefined {
    const parts = (saved ?? {}) as Readonly<Record<'reached' | 'ended' | 'endedSinceHalving', unknown>>;
    const reached = savedAmounts(parts.reached, HAZARD_BINS);
    const ended = savedAmounts(parts.ended, HAZARD_BINS);
    const endedSinceHalving = savedAmount(parts.endedSinceHalving);
    if (reached === undefined || ended === undefined || endedSinceHalving === undefined) return undefined;
    const hazards = new Hazards(halfLife);
    hazards.reached.set(reached);
    hazards.ended.set(ended);
    hazards.#endedSinceHalving = endedSinceHalving;
    return hazards;
  }

  #halve(): void {
    this.#endedSinceHalving = 0;
    for (let bin = 0; bin < HAZARD_BINS; bin += 1) {
      this.reached[bin]! /= 2;
      this.ended[bin]! /= 2;
    }
  }
}
