/** Blocks that may be overwritten, oldest first: a doubly linked list over two arrays, every operation constant time. */
export class FreeList {
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private length = 0;

  /** Modifies nothing but itself: starts with all blocks, in ascending order. */
  constructor(private readonly totalBlocks: number) {
    // Entry `totalBlocks` is the sentinel: its next is the head, its previous the tail.
    this.next = new Int32Array(totalBlocks + 1);
    this.previous = new Int32Array(totalBlocks + 1);
    this.next[totalBlocks] = totalBlocks;
    this.previous[totalBlocks] = totalBlocks;
    for (let block = 0; block < totalBlocks; block += 1) this.append(block);
  }

  get size(): number {
    return this.length;
  }

  /** Modifies state. The block must not be in the list. */
  append(block: number): void {
    const { next, previous, totalBlocks } = this;
    const tail = previous[totalBlocks]!;
    next[tail] = block;
    previous[block] = tail;
    next[block] = totalBlocks;
    previous[totalBlocks] = block;
    this.length += 1;
  }

  /** Modifies state. The block must be in the list. */
  remove(block: number): void {
    const before = this.previous[block]!;
    const behind = this.next[block]!;
    this.next[before] = behind;
    this.previous[behind] = before;
    this.length -= 1;
  }

  /** Modifies state. The oldest block, or -1 when the list is empty. */
  pop(): number {
    const head = this.next[this.totalBlocks]!;
    if (head === this.totalBlocks) return -1;
    this.remove(head);
    return head;
  }
}
