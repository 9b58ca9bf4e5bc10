import { after, type Instant, type PinTerms } from '@holdfast/scheduling';
import type { BlockPool } from './block-pool.js';
import type { EventLog } from './event-log.js';
import type { PinChange, RevocationReason } from './model-event.js';
import type { ModelPin } from './model-pin.js';
import { PinOrder, type PinRecord, toModelPin } from './pin-order.js';

/** The pins of one engine: at most one for a program, hard ones under a cap. */
export class PinTable {
  private readonly byProgram = new Map<string, PinRecord>();
  private readonly hard = new PinOrder();
  private readonly soft = new PinOrder();
  private readonly hardBlockCap: number;
  /** Earliest expiry; `undefined` when it must be looked for. */
  private earliest: Instant | null | undefined = null;

  constructor(
    private readonly pool: BlockPool,
    private readonly log: EventLog,
    private readonly blockTokens: number,
    maxPinnedFraction: number,
  ) {
    this.hardBlockCap = Math.floor(pool.totalBlocks * maxPinnedFraction);
  }

  get size(): number {
    return this.byProgram.size;
  }

  /** Pure. Hard pins, first to give way first. */
  get hardPins(): readonly PinRecord[] {
    return this.hard.all;
  }

  /** Pure. */
  get(programId: string): PinRecord | undefined {
    return this.byProgram.get(programId);
  }

  /** Pure. Live pins in order of setting. */
  list(): readonly ModelPin[] {
    return [...this.byProgram.values()].map((pin) => this.view(pin));
  }

  /** Pure. When the next pin expires; `null` without pins. */
  get nextExpiry(): Instant | null {
    if (this.earliest === undefined) {
      let earliest: Instant | null = null;
      for (const pin of this.byProgram.values()) {
        if (earliest === null || pin.expiresAt < earliest) earliest = pin.expiresAt;
      }
      this.earliest = earliest;
    }
    return this.earliest;
  }

  /**
   * Modifies state. Sets a pin over blocks that hold keys, in chain order, in place of the program's pin if it has one.
   * `cap-reached`, and no change, when hard pins would exceed their share of the pool.
   */
  set(programId: string, blocks: Int32Array, terms: PinTerms, now: Instant): ModelPin | 'cap-reached' {
    const old = this.byProgram.get(programId);
    if (!terms.soft && this.hardBlocksWith(blocks, old) > this.hardBlockCap) return 'cap-reached';
    if (old !== undefined) this.drop(old);
    const pin: PinRecord = {
      programId,
      soft: terms.soft,
      blocks,
      count: blocks.length,
      value: terms.value ?? Infinity,
      expiresAt: after(now, terms.ttl),
    };
    this.byProgram.set(programId, pin);
    this.orderOf(pin).add(pin);
    for (const block of blocks) {
      if (pin.soft) this.pool.pinSoft(block);
      else this.pool.pinHard(block);
    }
    this.noteExpiry(pin.expiresAt);
    return this.report('set', pin);
  }

  /** Modifies state. Gives a pin a new time and value; it stays hard or soft as it is. */
  renew(pin: PinRecord, terms: PinTerms, now: Instant): ModelPin {
    const order = this.orderOf(pin);
    order.remove(pin);
    pin.value = terms.value ?? Infinity;
    pin.expiresAt = after(now, terms.ttl);
    order.add(pin);
    this.earliest = undefined;
    this.pool.noteGain();
    return this.report('renewed', pin);
  }

  /** Modifies state. Ends a pin. */
  end(pin: PinRecord, change: Exclude<PinChange, 'set' | 'renewed' | 'revoked'>): void {
    this.report(change, pin);
    this.drop(pin);
  }

  /** Modifies state. Takes a pin under pressure. */
  revoke(pin: PinRecord, reason: RevocationReason): void {
    this.report('revoked', pin, reason);
    this.drop(pin);
  }

  /** Modifies state. Ends every pin whose time has come. */
  expire(now: Instant): void {
    const next = this.nextExpiry;
    if (next === null || next > now) return;
    const due = [...this.byProgram.values()].filter((pin) => pin.expiresAt <= now);
    due.sort((a, b) => a.expiresAt - b.expiresAt || (a.programId < b.programId ? -1 : 1));
    for (const pin of due) this.end(pin, 'expired');
  }

  /**
   * Modifies state. Revokes the hard pin of lowest value that holds an idle block back. False when no hard pin does.
   * Along a chain uses and pins never increase, so a pin holds something back exactly when it does at its last block.
   */
  giveWay(reason: RevocationReason): boolean {
    if (this.pool.pinned === 0) return false;
    const { users, hardPins } = this.pool;
    const victim = firstToYield(this.hard.all, (block) => users[block] === 0, hardPins);
    if (victim === undefined) return false;
    this.revoke(victim, reason);
    return true;
  }

  /**
   * Modifies state. Takes the last block of the soft pin of lowest value, so that an allocation finds it. A block that
   * several soft pins share goes when it is the last of each. False when no soft pin has an idle block.
   */
  surrenderBlock(reason: RevocationReason): boolean {
    const { pool } = this;
    while (pool.softIdle > 0 && pool.unprotected === 0) {
      const pin = firstToYield(this.soft.all, (block) => pool.isIdle(block), pool.softPins);
      if (pin === undefined) return false;
      this.shrink(pin, reason);
    }
    return pool.unprotected > 0;
  }

  private shrink(pin: PinRecord, reason: RevocationReason): void {
    if (pin.count === 1) {
      this.revoke(pin, reason);
      return;
    }
    this.pool.unpinSoft(lastBlock(pin));
    pin.count -= 1;
  }

  private drop(pin: PinRecord): void {
    this.byProgram.delete(pin.programId);
    this.orderOf(pin).remove(pin);
    if (this.earliest === pin.expiresAt) this.earliest = undefined;
    for (let index = pin.count - 1; index >= 0; index -= 1) {
      if (pin.soft) this.pool.unpinSoft(pin.blocks[index]!);
      else this.pool.unpinHard(pin.blocks[index]!);
    }
  }

  /** Blocks under hard pins if `blocks` replaced the old pin. */
  private hardBlocksWith(blocks: Int32Array, old: PinRecord | undefined): number {
    const { hardPins } = this.pool;
    let total = this.pool.hardPinned;
    const oldHard = old === undefined || old.soft ? undefined : old;
    for (let index = 0; index < (oldHard?.count ?? 0); index += 1) {
      if (hardPins[oldHard!.blocks[index]!] === 1) total -= 1;
    }
    blocks.forEach((block, index) => {
      const held =
        hardPins[block]! - (oldHard !== undefined && index < oldHard.count && oldHard.blocks[index] === block ? 1 : 0);
      if (held === 0) total += 1;
    });
    return total;
  }

  private noteExpiry(expiresAt: Instant): void {
    if (this.earliest !== undefined && (this.earliest === null || expiresAt < this.earliest)) this.earliest = expiresAt;
  }

  private orderOf(pin: PinRecord): PinOrder {
    return pin.soft ? this.soft : this.hard;
  }

  private view(pin: PinRecord): ModelPin {
    return toModelPin(pin, this.blockTokens);
  }

  private report(change: PinChange, pin: PinRecord, reason?: RevocationReason): ModelPin {
    const view = this.view(pin);
    this.log.pin(change, view, reason);
    return view;
  }
}

const lastBlock = (pin: PinRecord): number => pin.blocks[pin.count - 1]!;

/** The first pin that alone holds its last block back; failing that, the first whose last block nobody uses. */
const firstToYield = (
  pins: readonly PinRecord[],
  isUnused: (block: number) => boolean,
  pinCounts: Int32Array,
): PinRecord | undefined => {
  let shared: PinRecord | undefined;
  for (const pin of pins) {
    const block = lastBlock(pin);
    if (!isUnused(block)) continue;
    if (pinCounts[block] === 1) return pin;
    shared ??= pin;
  }
  return shared;
};
