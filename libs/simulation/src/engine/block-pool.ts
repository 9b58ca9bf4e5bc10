import { CacheIndex } from './cache-index.js';
import type { EventLog } from './event-log.js';
import { FreeList } from './free-list.js';
import type { HostTier } from './host-tier.js';

/**
 * The KV blocks: who uses them, what they hold, which one is overwritten next.
 *
 * Each block has a count of requests that use it, of hard pins and of soft pins. Invariants:
 * - a key belongs to one block at most, and a block with a key is in the index;
 * - a block is in the free list exactly when all three counts are 0 (idle and unprotected);
 * - active (used) + pinned (unused, hard) + evictable (idle, with a key) + free (idle, without) = total;
 * - along a chain the counts never increase: whoever holds a block holds all blocks before it;
 * - a block is never overwritten before a block that follows it in a chain, because holders leave their last block
 *   first. So what is resident of any prompt is a prefix, and the end of a prefix can be found by bisection.
 */
export class BlockPool {
  /** Requests that use the block. Read only outside this class, like the other arrays. */
  readonly users: Int32Array;
  /** Hard pins over the block. */
  readonly hardPins: Int32Array;
  /** Soft pins over the block. */
  readonly softPins: Int32Array;
  /** Blocks in use. */
  active = 0;
  /** Blocks under hard pins and not in use. */
  pinned = 0;
  /** Blocks under hard pins, in use or not: what the cap limits. */
  hardPinned = 0;
  /** Idle blocks under soft pins: taken after the free list. */
  softIdle = 0;
  /** Idle blocks that hold a key. */
  evictable = 0;
  /** Grows whenever a request that did not fit may fit now: a block became idle, a pin went or became cheaper. */
  gains = 0;

  private readonly keys: Float64Array;
  private readonly index: CacheIndex;
  private readonly freeList: FreeList;
  /** 1: whoever computed the block said that nobody will ask for it again, so it is not worth a place in host memory. */
  private readonly over: Uint8Array;

  constructor(
    readonly totalBlocks: number,
    private readonly log: EventLog,
    /** Where overwritten blocks go. */
    private readonly host: HostTier,
  ) {
    this.over = new Uint8Array(totalBlocks);
    this.users = new Int32Array(totalBlocks);
    this.hardPins = new Int32Array(totalBlocks);
    this.softPins = new Int32Array(totalBlocks);
    this.keys = new Float64Array(totalBlocks);
    this.index = new CacheIndex(totalBlocks, this.keys);
    this.freeList = new FreeList(totalBlocks);
  }

  /** Pure. Blocks that an allocation can get: unprotected ones and soft-pinned ones. */
  get idle(): number {
    return this.freeList.size + this.softIdle;
  }

  /** Pure. Idle blocks that hold nothing reusable. */
  get free(): number {
    return this.idle - this.evictable;
  }

  /** Pure. Idle blocks without a soft pin. */
  get unprotected(): number {
    return this.freeList.size;
  }

  /** Modifies state: says that something which did not fit may fit now. */
  noteGain(): void {
    this.gains += 1;
  }

  /** Pure. The block that holds this key, or -1. */
  find(key: number): number {
    return this.index.find(key);
  }

  /** Pure. True when nobody uses or pins the block hard. */
  isIdle(block: number): boolean {
    return this.users[block] === 0 && this.hardPins[block] === 0;
  }

  /** Modifies state. Takes the oldest unprotected block into use and forgets what it held; -1 when there is none. */
  allocate(): number {
    const block = this.freeList.pop();
    if (block < 0) return -1;
    const key = this.keys[block]!;
    if (key !== 0) {
      this.index.remove(block);
      this.keys[block] = 0;
      this.evictable -= 1;
      this.log.blockRemoved(key);
      if (this.over[block] === 0) this.host.park(key);
    }
    this.over[block] = 0;
    this.users[block] = 1;
    this.active += 1;
    return block;
  }

  /** Modifies state. One more request uses the block. */
  use(block: number): void {
    if (this.users[block] === 0) {
      if (this.hardPins[block] === 0) this.leaveIdle(block);
      else this.pinned -= 1;
      this.active += 1;
    }
    this.over[block] = 0;
    this.users[block] = this.users[block]! + 1;
  }

  /** Modifies state. As `leave`, by a request after which nobody will ask for what only it used. */
  leaveForGood(block: number): void {
    this.leave(block);
    if (this.isIdle(block) && this.softPins[block] === 0) this.over[block] = 1;
  }

  /** Modifies state. One request less uses the block; an idle block goes to the tail of the free list. */
  leave(block: number): void {
    const users = this.users[block]! - 1;
    if (users < 0) throw new Error(`block ${block} is not in use`);
    this.users[block] = users;
    if (users > 0) return;
    this.active -= 1;
    if (this.hardPins[block] === 0) this.enterIdle(block);
    else this.pinned += 1;
    this.gains += 1;
  }

  /** Modifies state. Gives a block in use its key. False, and no change, when another block holds the key. */
  register(block: number, key: number): boolean {
    if (this.index.find(key) >= 0) return false;
    this.host.leave(key);
    this.keys[block] = key;
    this.index.insert(block);
    return true;
  }

  /** Modifies state. One more hard pin. The block must hold a key. */
  pinHard(block: number): void {
    if (this.hardPins[block] === 0) {
      this.hardPinned += 1;
      if (this.users[block] === 0) {
        this.leaveIdle(block);
        this.pinned += 1;
      }
    }
    this.hardPins[block] = this.hardPins[block]! + 1;
  }

  /** Modifies state. One hard pin less; an idle block goes to the tail of the free list. */
  unpinHard(block: number): void {
    const pins = this.hardPins[block]! - 1;
    if (pins < 0) throw new Error(`block ${block} has no hard pin`);
    this.hardPins[block] = pins;
    this.gains += 1;
    if (pins > 0) return;
    this.hardPinned -= 1;
    if (this.users[block] !== 0) return;
    this.pinned -= 1;
    this.enterIdle(block);
  }

  /** Modifies state. One more soft pin. The block must hold a key. */
  pinSoft(block: number): void {
    if (this.softPins[block] === 0 && this.isIdle(block)) {
      this.freeList.remove(block);
      this.softIdle += 1;
    }
    this.softPins[block] = this.softPins[block]! + 1;
  }

  /** Modifies state. One soft pin less; an idle block goes to the tail of the free list. */
  unpinSoft(block: number): void {
    const pins = this.softPins[block]! - 1;
    if (pins < 0) throw new Error(`block ${block} has no soft pin`);
    this.softPins[block] = pins;
    if (pins > 0 || !this.isIdle(block)) return;
    this.softIdle -= 1;
    this.freeList.append(block);
  }

  private enterIdle(block: number): void {
    if (this.softPins[block] === 0) this.freeList.append(block);
    else this.softIdle += 1;
    if (this.keys[block] !== 0) this.evictable += 1;
  }

  private leaveIdle(block: number): void {
    if (this.softPins[block] === 0) this.freeList.remove(block);
    else this.softIdle -= 1;
    if (this.keys[block] !== 0) this.evictable -= 1;
  }
}
