import { prefixLength } from './bisect.js';
import type { RequestState } from './request-state.js';

/** Pure. Total order of waiting requests: preempted ones, then rank, then arrival. Negative: `a` comes first. */
export const compareWaiting = (a: RequestState, b: RequestState): number => {
  if (a.isPreempted !== b.isPreempted) return a.isPreempted ? -1 : 1;
  if (a.rank !== b.rank) return a.rank < b.rank ? -1 : 1;
  return a.sequence - b.sequence;
};

/** Requests that wait, sorted. Kept last-first, so that taking the head moves nothing. */
export class WaitingQueue {
  private readonly reversed: RequestState[] = [];

  get size(): number {
    return this.reversed.length;
  }

  /** Pure. All of them, last one first. */
  get all(): readonly RequestState[] {
    return this.reversed;
  }

  /** Pure. The request that comes first. */
  get head(): RequestState | undefined {
    return this.reversed.at(-1);
  }

  /** Modifies state. */
  add(request: RequestState): void {
    this.reversed.splice(this.positionOf(request), 0, request);
  }

  /** Modifies state. The request must wait. */
  remove(request: RequestState): void {
    const position = this.positionOf(request);
    if (this.reversed[position] !== request) throw new Error(`request ${request.request.requestId} does not wait`);
    this.reversed.splice(position, 1);
  }

  private positionOf(request: RequestState): number {
    return prefixLength(this.reversed.length, (index) => compareWaiting(this.reversed[index]!, request) > 0);
  }
}
