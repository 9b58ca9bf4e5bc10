/**
 * The output of a turn between the stream that produces it and the readers that take it.
 *
 * F1. Every reader sees every delta, in order, from the first.
 * F2. While a reader is open and nobody asked for the whole result, the producer waits when the fastest reader lies
 *     `MAX_UNREAD` deltas behind: a slow loop slows the stream. Otherwise nothing waits, since the result needs every
 *     delta anyway.
 * F3. A delta that a reader took is never taken back; one that nobody took may be (`dropUnread`).
 */
import type { TurnDelta } from './turn-result.js';

/** Deltas that the fastest reader may lie behind before the producer waits. */
const MAX_UNREAD = 16;

type Read = IteratorResult<TurnDelta, undefined>;

interface Reader {
  cursor: number;
  /** It has left, or has seen the end. */
  isDone: boolean;
  /** Calls of `next()` that found nothing yet, in order. */
  pending: { resolve: (read: Read) => void; reject: (error: unknown) => void }[];
}

const DONE: Read = { done: true, value: undefined };

/** See the head of the file. Owns the output of one turn. */
export class OutputFeed {
  readonly #deltas: TurnDelta[] = [];
  readonly #readers = new Set<Reader>();
  /** Deltas that some reader, maybe closed since, has taken. */
  #taken = 0;
  #end: { readonly error?: unknown } | undefined;
  #isWhole = false;
  #onRoom: (() => void) | undefined;

  /** The output so far. */
  output(): TurnDelta {
    const logprobs = this.#deltas.flatMap((delta) => delta.logprobs ?? []);
    return {
      tokenIds: this.#deltas.flatMap(({ tokenIds }) => tokenIds),
      text: this.#deltas.map(({ text }) => text).join(''),
      ...(logprobs.length === 0 ? {} : { logprobs }),
    };
  }

  /** From now on nothing waits for readers: somebody wants the whole result. Modifies state. */
  wantWhole(): void {
    this.#isWhole = true;
    this.#wake();
  }

  /** Modifies state: adds output. */
  push(delta: TurnDelta): void {
    this.#deltas.push(delta);
    for (const reader of this.#readers) this.#serve(reader);
  }

  /** Resolves once there is room for another delta. One producer waits at a time. */
  room(): Promise<void> {
    if (this.#hasRoom()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }

  /** Takes back what no reader has taken. Modifies state. */
  dropUnread(): void {
    this.#deltas.length = this.#taken;
  }

  /** No more output: readers end, or fail with `failure.error`, after what is there. Modifies state. */
  close(failure?: { readonly error: unknown }): void {
    this.#end = failure ?? {};
    for (const reader of this.#readers) this.#serve(reader);
    this.#wake();
  }

  /** A new reader, from the first delta. Modifies state. */
  read(): AsyncIterableIterator<TurnDelta, undefined> {
    const reader: Reader = { cursor: 0, isDone: false, pending: [] };
    this.#readers.add(reader);
    const iterator: AsyncIterableIterator<TurnDelta, undefined> = {
      next: () =>
        new Promise<Read>((resolve, reject) => {
          if (reader.isDone) return resolve(DONE);
          reader.pending.push({ resolve, reject });
          this.#serve(reader);
        }),
      return: () => {
        this.#leave(reader);
        return Promise.resolve(DONE);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #serve(reader: Reader): void {
    for (;;) {
      const delta = this.#deltas[reader.cursor];
      const [next] = reader.pending;
      if (next === undefined || (delta === undefined && this.#end === undefined)) return;
      reader.pending.shift();
      if (delta !== undefined) {
        reader.cursor += 1;
        this.#taken = Math.max(this.#taken, reader.cursor);
        next.resolve({ done: false, value: delta });
        this.#wake();
        continue;
      }
      if (this.#end !== undefined && 'error' in this.#end) next.reject(this.#end.error);
      else next.resolve(DONE);
      this.#leave(reader);
    }
  }

  #leave(reader: Reader): void {
    reader.isDone = true;
    this.#readers.delete(reader);
    for (const { resolve } of reader.pending.splice(0)) resolve(DONE);
    this.#wake();
  }

  #hasRoom(): boolean {
    if (this.#isWhole || this.#end !== undefined || this.#readers.size === 0) return true;
    const furthest = Math.max(...[...this.#readers].map(({ cursor }) => cursor));
    return this.#deltas.length - furthest < MAX_UNREAD;
  }

  #wake(): void {
    if (this.#onRoom === undefined || !this.#hasRoom()) return;
    this.#onRoom();
    this.#onRoom = undefined;
  }
}
