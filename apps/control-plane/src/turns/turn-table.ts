import type { TurnId } from '@holdfast/scheduling';
import type { LiveTurn } from './live-turn.js';

/** The turns that have not ended, by id. */
export class TurnTable {
  readonly #turns = new Map<TurnId, LiveTurn>();
  #waiters: (() => void)[] = [];

  /** Turns that have not ended. */
  get size(): number {
    return this.#turns.size;
  }

  /** Modifies state. */
  add(turn: LiveTurn): void {
    this.#turns.set(turn.turnId, turn);
  }

  /** Pure. */
  get(turnId: TurnId): LiveTurn | undefined {
    return this.#turns.get(turnId);
  }

  /** Pure. In the order of submission. */
  all(): LiveTurn[] {
    return [...this.#turns.values()];
  }

  /** Modifies state. */
  remove(turnId: TurnId): void {
    this.#turns.delete(turnId);
    if (this.#turns.size > 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Resolves when no turn is left. The caller brings the deadline. */
  untilEmpty(): Promise<void> {
    if (this.#turns.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}
