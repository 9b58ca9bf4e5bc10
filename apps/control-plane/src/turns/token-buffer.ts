/** Smallest allocation: most turns produce at least this many tokens. */
const MIN_CAPACITY = 64;

/**
 * Token ids in one contiguous Uint32Array that grows by doubling: four bytes a token, no array of numbers.
 * A view stays valid until the buffer is truncated below its end and appended to again.
 */
export class TokenBuffer {
  #ids: Uint32Array<ArrayBuffer>;
  #length = 0;

  constructor(ids?: ArrayLike<number>) {
    this.#ids = new Uint32Array(ids?.length ?? 0);
    if (ids !== undefined) this.append(ids);
  }

  /** Tokens held. */
  get length(): number {
    return this.#length;
  }

  /** Memory held, spare capacity included. */
  get capacityBytes(): number {
    return this.#ids.byteLength;
  }

  /** Modifies state. */
  append(ids: ArrayLike<number>): void {
    const length = this.#length + ids.length;
    if (length > this.#ids.length) {
      const grown = new Uint32Array(Math.max(MIN_CAPACITY, this.#ids.length * 2, length));
      grown.set(this.#ids.subarray(0, this.#length));
      this.#ids = grown;
    }
    this.#ids.set(ids, this.#length);
    this.#length = length;
  }

  /** Modifies state. Keeps the first `length` tokens. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Pure. Tokens `from` (inclusive) to `to` (exclusive), without a copy. */
  view(from = 0, to = this.#length): Uint32Array<ArrayBuffer> {
    return this.#ids.subarray(from, Math.min(to, this.#length));
  }

  /** Pure. Leading tokens that equal those of `ids`. */
  sharedPrefix(ids: ArrayLike<number>): number {
    const limit = Math.min(this.#length, ids.length);
    let index = 0;
    while (index < limit && this.#ids[index] === ids[index]) index += 1;
    return index;
  }
}
