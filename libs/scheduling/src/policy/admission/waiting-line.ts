import type { ProgramId } from '../../model/ids.js';

/** A program's place in a line. */
export interface Place {
  readonly rank: number;
  readonly programId: ProgramId;
}

/** Pure. Smaller rank first, then by id. */
const isBefore = (a: Place, b: Place): boolean => a.rank < b.rank || (a.rank === b.rank && a.programId < b.programId);

/** Programs that wait to be admitted, in order of rank. */
export class WaitingLine {
  /** Last one first, so that the first one leaves in constant time. */
  readonly #places: Place[] = [];

  /** Pure. */
  get first(): ProgramId | undefined {
    return this.#places.at(-1)?.programId;
  }

  /** Pure. */
  get firstPlace(): Place | undefined {
    return this.#places.at(-1);
  }

  /** Pure. Would this program be the first? */
  isFirst(rank: number, programId: ProgramId): boolean {
    const first = this.#places.at(-1);
    return first === undefined || isBefore({ rank, programId }, first);
  }

  /** Modifies state. A program that waits already keeps its place, if the rank is the same. */
  add(rank: number, programId: ProgramId): void {
    const place = { rank, programId };
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(place, this.#places[middle]!)) low = middle + 1;
      else high = middle;
    }
    if (this.#places[low]?.programId !== programId) this.#places.splice(low, 0, place);
  }

  /** Modifies state. */
  removeFirst(): void {
    this.#places.pop();
  }
}
