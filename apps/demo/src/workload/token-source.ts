import { RandomStream } from '@holdfast/simulation';

/** Ids of the printable characters of a byte-level vocabulary: every model has them, and each takes one byte of wire. */
const LOWEST_ID = 0x20;
const HIGHEST_ID = 0x7e;

/**
 * The content of a program's prompts. The trace has none, only which tokens were equal, so the ids are drawn: the same
 * program of the same seed gets the same ids, and no two programs share a prefix.
 */
export class TokenSource {
  readonly #stream: RandomStream;

  constructor(seed: number, ordinal: number) {
    this.#stream = new RandomStream(`${seed}/tokens/${ordinal}`);
  }

  /** Modifies state. The next ids. */
  take(count: number): Uint32Array {
    return Uint32Array.from({ length: count }, () => this.#stream.integer(LOWEST_ID, HIGHEST_ID));
  }
}
