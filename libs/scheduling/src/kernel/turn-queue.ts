import type { TurnRecord } from './state.js';

/**
 * Waiting turns in order of (rank, submittedAt, sequence): a binary heap that knows each turn's place, so that a turn
 * whose rank changed, or that was cancelled, moves in O(log n).
 */
export class TurnQueue {
  readonly #heap: TurnRecord[] = [];

  /** Pure. */
  get size(): number {
    return this.#heap.length;
  }

  /** Pure. The turn that is next, if any. */
  peek(): TurnRecord | undefined {
    return this.#heap[0];
  }

  /** Modifies state. The turn must be in no queue. */
  push(turn: TurnRecord): void {
    turn.heapIndex = this.#heap.length;
    this.#heap.push(turn);
    this.#siftUp(turn.heapIndex);
  }

  /** Modifies state. Takes the turn out; it must be in this queue. */
  remove(turn: TurnRecord): void {
    const index = turn.heapIndex;
    const last = this.#heap.pop();
    turn.heapIndex = -1;
    if (last === undefined || last === turn) return;
    this.#place(last, index);
    this.#siftUp(index);
    this.#siftDown(last.heapIndex);
  }

  /** Modifies state. Restores the order after the turn's rank changed. */
  reorder(turn: TurnRecord): void {
    this.#siftUp(turn.heapIndex);
    this.#siftDown(turn.heapIndex);
  }

  /** Modifies state. Empties the queue, returning its turns in order. */
  drain(): TurnRecord[] {
    const turns = this.#heap.splice(0).sort(compareTurns);
    for (const turn of turns) turn.heapIndex = -1;
    return turns;
  }

  #place(turn: TurnRecord, index: number): void {
    this.#heap[index] = turn;
    turn.heapIndex = index;
  }

  #siftUp(start: number): void {
    let index = start;
    const turn = this.#heap[index];
    if (turn === undefined) return;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex];
      if (parent === undefined || compareTurns(parent, turn) <= 0) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(turn, index);
  }

  #siftDown(start: number): void {
    let index = start;
    const turn = this.#heap[index];
    if (turn === undefined) return;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = this.#heap[childIndex];
      if (child === undefined) break;
      const right = this.#heap[childIndex + 1];
      if (right !== undefined && compareTurns(right, child) < 0) {
        child = right;
        childIndex += 1;
      }
      if (compareTurns(turn, child) <= 0) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(turn, index);
  }
}

/** Pure. The total order of waiting turns: rank, then submission time, then submission number. */
export const compareTurns = (a: TurnRecord, b: TurnRecord): number =>
  a.rank - b.rank || a.submittedAt - b.submittedAt || a.sequence - b.sequence;
