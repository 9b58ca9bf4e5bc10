/** What a program's prompts have been so far: the last prompt and its output. Owns a growing buffer. */
export class ProgramContext {
  #ids = new Uint32Array(0);

  /** Tokens. */
  get length(): number {
    return this.#ids.length;
  }

  /** Pure. A prompt that keeps the first `sharedTokens` and goes on with `appendedIds`. */
  promptOf(sharedTokens: number, appendedIds: Uint32Array): Uint32Array {
    const prompt = new Uint32Array(sharedTokens + appendedIds.length);
    prompt.set(this.#ids.subarray(0, sharedTokens));
    prompt.set(appendedIds, sharedTokens);
    return prompt;
  }

  /** Modifies state. The turn is over: its prompt, then its output. */
  extend(promptIds: Uint32Array, outputIds: readonly number[]): void {
    this.#ids = new Uint32Array(promptIds.length + outputIds.length);
    this.#ids.set(promptIds);
    this.#ids.set(outputIds, promptIds.length);
  }
}
