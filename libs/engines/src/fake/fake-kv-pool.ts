/** One block of cached KV. Its key names all tokens up to its end, so equal prefixes share blocks. */
interface Block {
  /** Running requests that use it. */
  users: number;
  /** Hard pins over it. */
  hardPins: number;
  /** Soft pins over it: evicted after every unpinned block. */
  softPins: number;
  lastUsed: number;
}

/** Counts of blocks. */
export interface PoolCounts {
  readonly freeBlocks: number;
  readonly evictableBlocks: number;
  readonly pinnedBlocks: number;
  readonly activeBlocks: number;
}

/** Options of {@link FakeKvPool}. */
export interface FakeKvPoolOptions {
  readonly totalBlocks: number;
  readonly blockTokens: number;
  /** Revokes the hard pin of lowest value; false when there is none left. */
  readonly revokePin: () => boolean;
}

/**
 * A prefix cache of full blocks with least-recently-used eviction. Running requests always get their blocks: where even
 * revoking pins does not help the pool overflows, which a real engine would answer with waiting or preemption.
 */
export class FakeKvPool {
  private readonly blocks = new Map<string, Block>();
  private clock = 0;

  constructor(private readonly options: FakeKvPoolOptions) {}

  /** Keys of the full blocks of a sequence. Pure. */
  keysOf(tokenIds: Uint32Array): string[] {
    const { blockTokens } = this.options;
    const keys: string[] = [];
    let [low, high] = [0x811c_9dc5, 0x1234_5678];
    for (let at = 0; at + blockTokens <= tokenIds.length; at += blockTokens) {
      for (let i = at; i < at + blockTokens; i++) {
        const id = tokenIds[i] as number;
        low = Math.imul(low ^ id, 0x0100_0193);
        high = Math.imul(high ^ id, 0x85eb_ca6b) ^ (high >>> 15);
      }
      keys.push(`${low >>> 0}:${high >>> 0}`);
    }
    return keys;
  }

  /** How many leading blocks are resident. Pure. */
  residentRun(keys: readonly string[]): number {
    const missing = keys.findIndex((key) => !this.blocks.has(key));
    return missing === -1 ? keys.length : missing;
  }

  /** Takes the blocks for a running request, the missing ones anew. Modifies state. */
  use(keys: readonly string[]): void {
    this.change(keys, (block) => (block.users += 1));
    this.makeRoom();
  }

  /** Gives the blocks of a request back; they stay cached. Modifies state. */
  unuse(keys: readonly string[]): void {
    this.change(keys, (block) => (block.users -= 1));
    this.makeRoom();
  }

  /** Puts (`by` = 1) or lifts (-1) a pin. Modifies state. */
  pin(keys: readonly string[], kind: 'hardPins' | 'softPins', by: 1 | -1): void {
    for (const key of keys) {
      const block = this.blocks.get(key);
      if (block !== undefined) block[kind] += by;
    }
  }

  /** Blocks that would be under hard pins if these were, too. Pure. */
  hardPinnedWith(keys: readonly string[]): number {
    const more = keys.filter((key) => this.blocks.get(key)?.hardPins === 0).length;
    return [...this.blocks.values()].filter((block) => block.hardPins > 0).length + more;
  }

  counts(): PoolCounts {
    const counts = { evictableBlocks: 0, pinnedBlocks: 0, activeBlocks: 0 };
    for (const block of this.blocks.values()) {
      if (block.users > 0) counts.activeBlocks += 1;
      else if (block.hardPins > 0) counts.pinnedBlocks += 1;
      else counts.evictableBlocks += 1;
    }
    return { ...counts, freeBlocks: Math.max(0, this.options.totalBlocks - this.blocks.size) };
  }

  private change(keys: readonly string[], update: (block: Block) => void): void {
    this.clock += 1;
    for (const key of keys) {
      const block = this.blocks.get(key) ?? { users: 0, hardPins: 0, softPins: 0, lastUsed: 0 };
      block.lastUsed = this.clock;
      update(block);
      this.blocks.set(key, block);
    }
  }

  private makeRoom(): void {
    while (this.blocks.size > this.options.totalBlocks) {
      const victim = this.victim();
      if (victim !== undefined) this.blocks.delete(victim);
      else if (!this.options.revokePin()) return;
    }
  }

  /** Unpinned before softly pinned, least recently used first; within one sequence the tail goes first. */
  private victim(): string | undefined {
    let best: { key: string; block: Block } | undefined;
    for (const [key, block] of this.blocks) {
      if (block.users > 0 || block.hardPins > 0) continue;
      if (best === undefined || goesBefore(block, best.block)) best = { key, block };
    }
    return best?.key;
  }
}

const goesBefore = (block: Block, other: Block): boolean => {
  const [soft, otherSoft] = [block.softPins > 0, other.softPins > 0];
  return soft === otherSoft ? block.lastUsed <= other.lastUsed : otherSoft;
};
