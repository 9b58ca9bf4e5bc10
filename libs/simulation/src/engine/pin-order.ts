import type { Instant } from '@holdfast/scheduling';
import { prefixLength } from './bisect.js';
import type { ModelPin } from './model-pin.js';

/** A pin inside the engine. */
export interface PinRecord {
  readonly programId: string;
  readonly soft: boolean;
  /** The first `count` entries are under the pin, in chain order. A soft pin under pressure loses its last ones. */
  readonly blocks: Int32Array;
  count: number;
  /** `Infinity` where the outside says `null`. */
  value: number;
  expiresAt: Instant;
}

/** Pure. */
export const toModelPin = (pin: PinRecord, blockTokens: number): ModelPin => ({
  programId: pin.programId,
  blocks: pin.count,
  tokens: pin.count * blockTokens,
  expiresAt: pin.expiresAt,
  soft: pin.soft,
  value: pin.value === Infinity ? null : pin.value,
});

/**
 * Pure. Total order in which pins give way: lowest value, then latest expiry, then id. Among pins of one value (all of
 * them infinite, say) the latest expiry goes first, as in Continuum's public code.
 */
export const compareGivingWay = (a: PinRecord, b: PinRecord): number => {
  if (a.value !== b.value) return a.value < b.value ? -1 : 1;
  if (a.expiresAt !== b.expiresAt) return b.expiresAt - a.expiresAt;
  return a.programId < b.programId ? -1 : a.programId > b.programId ? 1 : 0;
};

/** Pins in the order in which they give way. */
export class PinOrder {
  private readonly pins: PinRecord[] = [];

  /** Pure. First to give way first. */
  get all(): readonly PinRecord[] {
    return this.pins;
  }

  /** Modifies state. */
  add(pin: PinRecord): void {
    this.pins.splice(this.positionOf(pin), 0, pin);
  }

  /** Modifies state. Call before the pin's value or expiry changes. */
  remove(pin: PinRecord): void {
    this.pins.splice(this.positionOf(pin), 1);
  }

  private positionOf(pin: PinRecord): number {
    return prefixLength(this.pins.length, (index) => compareGivingWay(this.pins[index]!, pin) < 0);
  }
}
