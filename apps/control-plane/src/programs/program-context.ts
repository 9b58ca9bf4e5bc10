import { TokenBuffer } from '../turns/token-buffer.js';

/** A prompt laid over the context, not yet final. */
export interface PreparedPrompt {
  /** The whole prompt, a view of the context. */
  readonly promptIds: Uint32Array;
  /** Leading tokens that the prompt shares with the context before it. */
  readonly sharedTokens: number;
  /** The prompt after the shared tokens. A copy: it outlives the turn on its way to the database. */
  readonly appendedIds: Uint32Array;
  /** The prompt dropped a part of the context. */
  readonly isCompaction: boolean;
  /** Modifies state. Restores the context as it was. */
  readonly rollBack: () => void;
}

/** The token ids of a program's context: its last prompt and the output that followed. */
export class ProgramContext {
  readonly #ids: TokenBuffer;

  constructor(ids?: ArrayLike<number>) {
    this.#ids = new TokenBuffer(ids);
  }

  /** Tokens. */
  get length(): number {
    return this.#ids.length;
  }

  /** Memory held. */
  get capacityBytes(): number {
    return this.#ids.capacityBytes;
  }

  /** Modifies state. The prompt is the context and these ids. */
  append(ids: ArrayLike<number>): PreparedPrompt {
    return this.#lay(this.length, ids);
  }

  /** Modifies state. The prompt is these ids; what it shares with the context is found out. */
  replace(ids: ArrayLike<number>): PreparedPrompt {
    const shared = this.#ids.sharedPrefix(ids);
    return this.#lay(shared, new Uint32Array(ids).subarray(shared));
  }

  /** Pure. Leading tokens that a prompt shares with the context. */
  sharedWith(ids: ArrayLike<number>): number {
    return this.#ids.sharedPrefix(ids);
  }

  /** Modifies state. The turn's output follows its prompt. */
  commit(outputIds: Uint32Array): void {
    this.#ids.append(outputIds);
  }

  /** Pure. Token ids `from` to `to`, without a copy. */
  view(from = 0, to = this.length): Uint32Array {
    return this.#ids.view(from, to);
  }

  #lay(sharedTokens: number, ids: ArrayLike<number>): PreparedPrompt {
    const before = this.length;
    const dropped = this.#ids.view(sharedTokens).slice();
    this.#ids.truncate(sharedTokens);
    this.#ids.append(ids);
    return {
      promptIds: this.#ids.view(),
      sharedTokens,
      appendedIds: this.#ids.view(sharedTokens).slice(),
      isCompaction: sharedTokens < before,
      rollBack: () => {
        this.#ids.truncate(sharedTokens);
        this.#ids.append(dropped);
      },
    };
  }
}
