import { kv } from '@holdfast/contracts';
import type { PinTerms } from '@holdfast/scheduling';
import type { HeldPin, WatchEvent } from '../engine-client.js';

/** Pure. */
export const pinFromProto = (pin: kv.Pin): HeldPin => ({
  programId: pin.programId,
  pinnedBlocks: pin.pinnedBlocks,
  pinnedTokens: pin.pinnedTokens,
  expiresInMs: pin.expiresInMs,
});

/** Pure. A pin's value on the wire: `null` stands for +Infinity. */
export const valueToProto = (terms: PinTerms): number => terms.value ?? Number.POSITIVE_INFINITY;

type PinEvent = Extract<WatchEvent, { type: 'pin' }>;

const changes: Readonly<Record<number, PinEvent['change']>> = {
  [kv.PinChange.SET]: 'set',
  [kv.PinChange.RENEWED]: 'renewed',
  [kv.PinChange.RELEASED]: 'released',
  [kv.PinChange.EXPIRED]: 'expired',
  [kv.PinChange.REVOKED]: 'revoked',
  [kv.PinChange.HIT]: 'hit',
};

const reasons: Readonly<Record<number, NonNullable<PinEvent['reason']>>> = {
  [kv.RevocationReason.GROWTH]: 'growth',
  [kv.RevocationReason.OUTBID]: 'outbid',
  [kv.RevocationReason.STALL]: 'stall',
};

/** Pure. Undefined for a change that this version does not know, and for an event without a pin. */
export const pinEventFromProto = (event: kv.PinEvent, epoch: string): PinEvent | undefined => {
  const change = changes[event.change];
  if (change === undefined || event.pin === undefined) return undefined;
  const reason = reasons[event.reason];
  return { type: 'pin', epoch, change, pin: pinFromProto(event.pin), ...(reason === undefined ? {} : { reason }) };
};
