/**
 * Blocks that decoding sequences will need, by phase.
 *
 * A sequence needs a block at the steps at which the tokens in its KV are a multiple of the block size. Counted from
 * the engine's step counter, those are the steps of one residue class, which never changes while it decodes.
 */
export class GrowthPhases {
  readonly #counts: Int32Array;
  #sequences = 0;

  constructor(blockTokens: number) {
    this.#counts = new Int32Array(blockTokens);
  }

  /** Pure. Phase of a sequence with `computedTokens` tokens in KV before step number `step`. */
  phaseOf(computedTokens: number, step: number): number {
    const size = this.#counts.length;
    return (((step - computedTokens) % size) + size) % size;
  }

  /** Modifies state. */
  add(phase: number): void {
    this.#counts[phase] = (this.#counts[phase] ?? 0) + 1;
    this.#sequences += 1;
  }

  /** Modifies state. */
  remove(phase: number): void {
    this.#counts[phase] = (this.#counts[phase] ?? 0) - 1;
    this.#sequences -= 1;
  }

  /** Pure. Blocks needed by the steps from `step` on, `steps` of them. */
  blocksFor(step: number, steps: number): number {
    const size = this.#counts.length;
    const rounds = Math.floor(steps / size);
    let blocks = rounds * this.#sequences;
    for (let index = rounds * size; index < steps; index += 1) blocks += this.#counts[(step + index) % size] ?? 0;
    return blocks;
  }

  /** Pure. How many steps from `step` on can be had with `blocks` blocks, at most `limit`. */
  stepsWithin(step: number, blocks: number, limit: number): number {
    if (this.blocksFor(step, limit) <= blocks) return limit;
    let low = 0;
    let high = limit - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.blocksFor(step, middle) <= blocks) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
