import type { BlockPool } from './block-pool.js';
import { prefixLength } from './bisect.js';
import { ROOT_KEY } from './block-key.js';
import type { EventLog } from './event-log.js';
import type { HostTier } from './host-tier.js';
import type { RevocationReason } from './model-event.js';
import type { PinTable } from './pin-table.js';
import type { RequestState } from './request-state.js';

/** Moves blocks between requests and the pool. */
export class KvMemory {
  constructor(
    private readonly pool: BlockPool,
    private readonly pins: PinTable,
    private readonly log: EventLog,
    private readonly host: HostTier,
    private readonly blockTokens: number,
  ) {}

  /** Pure. Leading blocks of the request that are resident, within the limit of a hit. */
  hitLength(request: RequestState): number {
    return this.residentLength(request.keys, request.hitLimit);
  }

  /** Pure. How many of the first `length` keys are resident, counted from the start without a gap. */
  residentLength(keys: Float64Array, length: number): number {
    return prefixLength(length, (index) => this.pool.find(keys[index]!) >= 0);
  }

  /** Pure. Blocks behind the first `hits` that host memory holds without a gap, within the limit of a hit. */
  parkedLength(request: RequestState, hits: number): number {
    let length = hits;
    while (length < request.hitLimit && this.host.has(request.keys[length]!)) length += 1;
    return length - hits;
  }

  /** Modifies state. Takes blocks out of host memory, so that making room for them does not push them out. */
  unpark(request: RequestState, hits: number, parked: number): void {
    for (let index = hits; index < hits + parked; index += 1) this.host.leave(request.keys[index]!);
  }

  /** Modifies state. The blocks that were taken out of host memory count as computed; the step waits for them. */
  takeReloaded(request: RequestState, parked: number): void {
    request.computed += parked * this.blockTokens;
    this.registerFull(request);
  }

  /** Pure. How many of the first `hits` blocks are idle: a suffix, since users and pins never increase along a chain. */
  idleAmong(request: RequestState, hits: number): number {
    return hits - prefixLength(hits, (index) => !this.pool.isIdle(this.pool.find(request.keys[index]!)));
  }

  /** Modifies state. Puts the hit blocks at the start of the request's table; their tokens count as computed. */
  takeHits(request: RequestState, hits: number): void {
    for (let index = 0; index < hits; index += 1) {
      const block = this.pool.find(request.keys[index]!);
      this.pool.use(block);
      request.blocks[index] = block;
    }
    request.blockCount = hits;
    request.registered = hits;
    request.computed = hits * this.blockTokens;
  }

  /** Modifies state. One more block for the request, if need be from a soft pin. False when nothing is idle. */
  grow(request: RequestState, reason: RevocationReason): boolean {
    let block = this.pool.allocate();
    if (block < 0 && this.pins.surrenderBlock(reason)) block = this.pool.allocate();
    if (block < 0) return false;
    request.blocks[request.blockCount] = block;
    request.blockCount += 1;
    return true;
  }

  /**
   * Modifies state. Gives full blocks their keys. Where another request computed the same block in the meantime, the
   * request changes over to that one, so that a key has one block.
   */
  registerFull(request: RequestState): void {
    const full = request.fullBlocks;
    let runStart = request.registered;
    for (let index = request.registered; index < full; index += 1) {
      const block = request.blocks[index]!;
      const key = request.keys[index]!;
      if (this.pool.register(block, key)) continue;
      this.reportStored(request, runStart, index);
      runStart = index + 1;
      const twin = this.pool.find(key);
      this.pool.use(twin);
      request.blocks[index] = twin;
      this.pool.leave(block);
    }
    this.reportStored(request, runStart, full);
    request.registered = full;
  }

  /** Modifies state. Gives all blocks of the request back, last one first. */
  leaveAll(request: RequestState, outlook: 'may-return' | 'over' = 'may-return'): void {
    for (let index = request.blockCount - 1; index >= 0; index -= 1) {
      const block = request.blocks[index]!;
      if (outlook === 'over') this.pool.leaveForGood(block);
      else this.pool.leave(block);
    }
    request.blockCount = 0;
    request.registered = 0;
    request.computed = 0;
    request.scheduled = 0;
  }

  private reportStored(request: RequestState, start: number, end: number): void {
    if (start >= end || !this.log.recordsKv) return;
    const parentKey = start === 0 ? ROOT_KEY : request.keys[start - 1]!;
    this.log.stored(
      Array.from(request.keys.subarray(start, end)),
      parentKey === ROOT_KEY ? null : parentKey,
      request.ids.slice(start * this.blockTokens, end * this.blockTokens),
    );
  }
}
