import { after, type Instant, type PinTerms } from '@holdfast/scheduling';
import { prefixLength } from '../engine/bisect.js';
import type { ModelPinEvent, PinChange, RevocationReason } from '../engine/model-event.js';
import type { ModelPin } from '../engine/model-pin.js';
import type { Chain, ExtentList } from './extent-list.js';
import type { HostRuns } from './host-runs.js';

/** A pin over the first `count` blocks of a chain. */
export interface ExtentPin {
  readonly programId: string;
  readonly chain: Chain;
  readonly soft: boolean;
  count: number;
  value: number;
  expiresAt: Instant;
}

/** Pure. Total order in which pins give way: lowest value, then latest expiry, then id. */
const compareGivingWay = (a: ExtentPin, b: ExtentPin): number => {
  if (a.value !== b.value) return a.value < b.value ? -1 : 1;
  if (a.expiresAt !== b.expiresAt) return b.expiresAt - a.expiresAt;
  return a.programId < b.programId ? -1 : 1;
};

/** The pins of one engine and the blocks under them that nobody uses. */
export class ExtentPins {
  /** Idle blocks under hard pins. */
  hardBlocks = 0;
  /** Idle blocks under soft pins. */
  softBlocks = 0;
  readonly #byProgram = new Map<string, ExtentPin>();
  readonly #hard: ExtentPin[] = [];
  readonly #soft: ExtentPin[] = [];
  #events: ModelPinEvent[] = [];
  #earliest: Instant | null | undefined = null;

  constructor(
    private readonly idle: ExtentList,
    private readonly host: HostRuns | null,
    private readonly hardCap: number,
    private readonly blockTokens: number,
  ) {}

  /** Pure. */
  get size(): number {
    return this.#byProgram.size;
  }

  /** Pure. Hard pins, first to give way first. */
  get hardPins(): readonly ExtentPin[] {
    return this.#hard;
  }

  /** Pure. */
  get(programId: string): ExtentPin | undefined {
    return this.#byProgram.get(programId);
  }

  /**
   * Modifies state. Pins the first `count` blocks of a chain, which are in no run and under no pin. Null, and no change,
   * when hard pins would exceed their cap.
   */
  set(programId: string, chain: Chain, count: number, terms: PinTerms, now: Instant): ModelPin | null {
    if (!terms.soft && this.hardBlocks + count > this.hardCap) return null;
    const pin: ExtentPin = {
      programId,
      chain,
      soft: terms.soft,
      count,
      value: terms.value ?? Infinity,
      expiresAt: after(now, terms.ttl),
    };
    this.#byProgram.set(programId, pin);
    insert(this.#orderOf(pin), pin);
    if (pin.soft) this.softBlocks += count;
    else this.hardBlocks += count;
    if (this.#earliest !== undefined && (this.#earliest === null || pin.expiresAt < this.#earliest)) {
      this.#earliest = pin.expiresAt;
    }
    return this.#report('set', pin);
  }

  /** Modifies state. */
  renew(pin: ExtentPin, terms: PinTerms, now: Instant): ModelPin {
    const order = this.#orderOf(pin);
    take(order, pin);
    if (this.#earliest === pin.expiresAt) this.#earliest = undefined;
    pin.value = terms.value ?? Infinity;
    pin.expiresAt = after(now, terms.ttl);
    insert(order, pin);
    if (typeof this.#earliest === 'number' && pin.expiresAt < this.#earliest) this.#earliest = pin.expiresAt;
    return this.#report('renewed', pin);
  }

  /** Modifies state. The pin is over; its blocks are idle from now on. */
  end(pin: ExtentPin, change: Exclude<PinChange, 'set' | 'renewed'>, reason?: RevocationReason): void {
    this.#report(change, pin, reason);
    this.#forget(pin);
    this.idle.append(pin.chain, pin.count, 0);
  }

  /** Modifies state. Forgets a pin without a word: another one over the same blocks follows. */
  drop(pin: ExtentPin): void {
    this.#forget(pin);
  }

  /** Modifies state. The program's turn uses the first `hits` blocks; the others belong to nobody. */
  hit(pin: ExtentPin, hits: number): void {
    this.#report('hit', pin);
    this.#forget(pin);
    this.idle.append(null, pin.count - hits, 0);
  }

  /** Modifies state. Overwrites soft-pinned blocks, lowest value and last block first; there must be that many. */
  takeSoft(blocks: number, reason: RevocationReason): void {
    let wanted = blocks;
    while (wanted > 0) {
      const pin = this.#soft[0];
      if (pin === undefined) throw new Error(`${wanted} more soft-pinned blocks were taken than there are`);
      const taken = Math.min(wanted, pin.count);
      wanted -= taken;
      const left = pin.count - taken;
      if (left === 0) {
        // Block by block, as they are taken: the last one takes the pin with it.
        pin.count = 1;
        this.#report('revoked', pin, reason);
      }
      pin.count = left;
      pin.chain.resident -= taken;
      this.host?.park(pin.chain, taken);
      this.softBlocks -= taken;
      if (pin.count === 0) this.#forget(pin);
    }
  }

  /** Modifies state. Revokes the hard pin of lowest value. False when there is none. */
  giveWay(reason: RevocationReason): boolean {
    const pin = this.#hard[0];
    if (pin === undefined) return false;
    this.end(pin, 'revoked', reason);
    return true;
  }

  /** Pure. */
  get nextExpiry(): Instant | null {
    if (this.#earliest === undefined) {
      let earliest: Instant | null = null;
      for (const pin of this.#byProgram.values()) {
        if (earliest === null || pin.expiresAt < earliest) earliest = pin.expiresAt;
      }
      this.#earliest = earliest;
    }
    return this.#earliest;
  }

  /** Modifies state. */
  expire(now: Instant): void {
    const next = this.nextExpiry;
    if (next === null || next > now) return;
    const due = [...this.#byProgram.values()].filter((pin) => pin.expiresAt <= now);
    due.sort((a, b) => a.expiresAt - b.expiresAt || (a.programId < b.programId ? -1 : 1));
    for (const pin of due) this.end(pin, 'expired');
  }

  /** Modifies state. */
  drain(): readonly ModelPinEvent[] {
    const events = this.#events;
    if (events.length > 0) this.#events = [];
    return events;
  }

  #forget(pin: ExtentPin): void {
    this.#byProgram.delete(pin.programId);
    take(this.#orderOf(pin), pin);
    if (pin.soft) this.softBlocks -= pin.count;
    else this.hardBlocks -= pin.count;
    if (this.#earliest === pin.expiresAt) this.#earliest = undefined;
  }

  #orderOf(pin: ExtentPin): ExtentPin[] {
    return pin.soft ? this.#soft : this.#hard;
  }

  #report(change: PinChange, pin: ExtentPin, reason?: RevocationReason): ModelPin {
    const { programId, count, expiresAt, soft } = pin;
    const value = pin.value === Infinity ? null : pin.value;
    const view = { programId, blocks: count, tokens: count * this.blockTokens, expiresAt, soft, value };
    this.#events.push({ type: 'pin', change, pin: view, ...(reason === undefined ? {} : { reason }) });
    return view;
  }
}

const positionOf = (order: readonly ExtentPin[], pin: ExtentPin): number =>
  prefixLength(order.length, (index) => compareGivingWay(order[index]!, pin) < 0);

const insert = (order: ExtentPin[], pin: ExtentPin): void => void order.splice(positionOf(order, pin), 0, pin);

const take = (order: ExtentPin[], pin: ExtentPin): void => void order.splice(positionOf(order, pin), 1);
