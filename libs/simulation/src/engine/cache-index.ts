/**
 * Finds the block that holds a key. Open addressing with linear probing over typed arrays; a slot holds block + 1, and
 * the key itself stays in the pool's key array. Deletion shifts later entries back, so there are no tombstones.
 */
export class CacheIndex {
  private readonly slots: Int32Array;
  private readonly mask: number;

  constructor(
    totalBlocks: number,
    /** Key of each block, shared with the pool; only read here. */
    private readonly keys: Float64Array,
  ) {
    let capacity = 8;
    while (capacity < totalBlocks * 3) capacity *= 2;
    this.slots = new Int32Array(capacity);
    this.mask = capacity - 1;
  }

  /** Pure. The block with this key, or -1. */
  find(key: number): number {
    const { slots, keys, mask } = this;
    for (let slot = key & mask; ; slot = (slot + 1) & mask) {
      const block = slots[slot]! - 1;
      if (block < 0 || keys[block] === key) return block;
    }
  }

  /** Modifies state. The key must be in the key array already and not in the index. */
  insert(block: number): void {
    let slot = this.keys[block]! & this.mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
    this.slots[slot] = block + 1;
  }

  /** Modifies state. The block must be in the index under the key that the key array still holds. */
  remove(block: number): void {
    const { slots, keys, mask } = this;
    let hole = keys[block]! & mask;
    while (slots[hole] !== block + 1) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = keys[slots[slot]! - 1]! & mask;
      // An entry may fill the hole unless its home lies after the hole on its way to the slot.
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole] = slots[slot]!;
        hole = slot;
      }
    }
    slots[hole] = 0;
  }
}
