/** First turns of a class that are remembered. */
const RECENT_PROGRAMS = 15;
/** Classes remembered: clients name them. */
const MOST_CLASSES = 1_000;

/**
 * How many tokens programs of a class have in common at their beginning: a system prompt, tools, instructions. A program's
 * first turn tells: what an engine has cached of it, somebody else had computed. The median of the last ones counts, so
 * that one conversation that goes on under a new id, and finds all of itself, is no rule.
 */
export class SharedPrefixes {
  readonly #byClass = new Map<string, number[]>();

  /** Modifies state. An engine had so many tokens of a first prompt. */
  learn(key: string, cachedTokens: number): void {
    const known = this.#byClass.get(key) ?? [];
    if (known.length === 0) {
      const oldest = this.#byClass.keys().next();
      if (this.#byClass.size >= MOST_CLASSES && oldest.done !== true) this.#byClass.delete(oldest.value);
      this.#byClass.set(key, known);
    }
    known.push(cachedTokens);
    if (known.length > RECENT_PROGRAMS) known.shift();
  }

  /** Pure. Tokens; 0 while fewer than three programs of the class were seen. */
  tokensOf(key: string): number {
    const known = this.#byClass.get(key);
    if (known === undefined || known.length < 3) return 0;
    return known.toSorted((a, b) => a - b)[(known.length - 1) >> 1]!;
  }
}
