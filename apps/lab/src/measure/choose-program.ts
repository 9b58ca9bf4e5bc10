import type { Arrival } from '@holdfast/simulation';

/** Share of the arrivals, at the beginning and at the end, when the pool is not yet or no longer in its stride. */
const EDGE_SHARE = 0.3;

/** Pure. A typical program that arrives when the pool is busy: of median length among those of more than one turn. */
export const chooseProgram = (arrivals: readonly Arrival[]): string => {
  const edge = Math.floor(arrivals.length * EDGE_SHARE);
  const middle = arrivals.slice(edge, arrivals.length - edge);
  const longEnough = middle.filter(({ program }) => program.turns.length > 1);
  const candidates = longEnough.length > 0 ? longEnough : arrivals;
  const sorted = [...candidates].sort((a, b) => a.program.turns.length - b.program.turns.length || a.at - b.at);
  return sorted[Math.floor(sorted.length / 2)]!.program.programId;
};
