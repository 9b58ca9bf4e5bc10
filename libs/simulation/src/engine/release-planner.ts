import type { BlockPool } from './block-pool.js';
import { prefixLength } from './bisect.js';
import type { PinRecord } from './pin-order.js';
import type { RequestState } from './request-state.js';

/** What a request that does not fit asks of the pins. */
export interface ReleaseWish {
  readonly request: RequestState;
  /** Leading blocks of the request that are resident: no gain, since it will use them. */
  readonly hits: number;
  /** Blocks it lacks. */
  readonly lacking: number;
  /** The pin it takes over anyway: what it does not hit of it becomes idle. */
  readonly ownPin: PinRecord | undefined;
  /** Hard pins it may take, in the order in which they give way. */
  readonly candidates: Iterable<PinRecord>;
}

/** Finds out which pins would have to go, before any does. */
export class ReleasePlanner {
  /** Pins imagined away, per block; all 0 between calls. */
  private readonly lifted: Int32Array;

  constructor(private readonly pool: BlockPool) {
    this.lifted = new Int32Array(pool.totalBlocks);
  }

  /** Pure. The pins that make the request fit when they go; `null` when all candidates together do not. */
  plan(wish: ReleaseWish): readonly PinRecord[] | null {
    const victims: PinRecord[] = [];
    const touched: number[] = [];
    let lacking = wish.lacking;
    if (wish.ownPin !== undefined && !wish.ownPin.soft) lacking -= this.lift(wish.ownPin, wish, touched);
    for (const pin of wish.candidates) {
      if (lacking <= 0) break;
      if (pin === wish.ownPin) continue;
      const touchedBefore = touched.length;
      lacking -= this.lift(pin, wish, touched);
      // A pin over nothing but blocks in use or hit stays: it holds nothing back.
      if (touched.length > touchedBefore) victims.push(pin);
    }
    for (const block of touched) this.lifted[block] = 0;
    return lacking <= 0 ? victims : null;
  }

  /** Imagines a pin away and counts the blocks that become idle. */
  private lift(pin: PinRecord, wish: ReleaseWish, touched: number[]): number {
    const { users, hardPins } = this.pool;
    const { keys } = wish.request;
    const shared = prefixLength(
      Math.min(pin.count, wish.hits),
      (index) => this.pool.find(keys[index]!) === pin.blocks[index],
    );
    let gained = 0;
    for (let index = pin.count - 1; index >= shared; index -= 1) {
      const block = pin.blocks[index]!;
      if (users[block] !== 0) break;
      this.lifted[block] = this.lifted[block]! + 1;
      if (this.lifted[block] === hardPins[block]) gained += 1;
      touched.push(block);
    }
    return gained;
  }
}
