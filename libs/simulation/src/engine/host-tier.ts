/**
 * KV blocks in host memory, by their keys: what the GPU pool overwrote, oldest first.
 *
 * A block is on the GPU or here, never in both. It comes when its block of the pool is overwritten, goes back when a
 * request reloads it, and is dropped when newer ones need the place. Since a block is never overwritten before one that
 * follows it in a chain, what is here of any prompt follows what is on the GPU without a gap.
 */
export class HostTier {
  /** Blocks that came here so far. */
  offloadedBlocks = 0;
  /** In order of arrival, as a set iterates. */
  private readonly keys = new Set<number>();

  constructor(private readonly capacityBlocks: number) {}

  /** Pure. */
  has(key: number): boolean {
    return this.keys.has(key);
  }

  /** Modifies state. Takes an overwritten block in, in place of the oldest if there is no room. */
  park(key: number): void {
    if (this.capacityBlocks === 0) return;
    this.offloadedBlocks += 1;
    this.keys.delete(key);
    this.keys.add(key);
    if (this.keys.size <= this.capacityBlocks) return;
    for (const oldest of this.keys) {
      this.keys.delete(oldest);
      return;
    }
  }

  /** Modifies state. The block is on the GPU again. */
  leave(key: number): void {
    this.keys.delete(key);
  }
}
