import { kv } from '@holdfast/contracts';
import { between, type Instant, toMillisCeil } from '@holdfast/scheduling';
import type { ModelPin, ModelPinEvent, ModelStats, PinChange, RevocationReason } from '@holdfast/simulation';

const MAX_UINT32 = 0xffff_ffff;

/** Pure. Milliseconds of model time until the pin expires, rounded up, at least 0. */
export const remainingMs = (pin: ModelPin, now: Instant): number =>
  Math.min(MAX_UINT32, Math.max(0, toMillisCeil(between(now, pin.expiresAt))));

/** Pure. */
export const pinToProto = (pin: ModelPin, now: Instant): kv.Pin => ({
  programId: pin.programId,
  pinnedBlocks: pin.blocks,
  pinnedTokens: pin.tokens,
  expiresInMs: remainingMs(pin, now),
  soft: pin.soft,
  value: pin.value ?? Infinity,
});

/** Pure. A price on the wire: an engine model writes infinity as `null`. */
export const valueFromProto = (value: number): number | null => (value === Infinity ? null : value);

const changes: Readonly<Record<PinChange, kv.PinChange>> = {
  set: kv.PinChange.SET,
  renewed: kv.PinChange.RENEWED,
  released: kv.PinChange.RELEASED,
  expired: kv.PinChange.EXPIRED,
  revoked: kv.PinChange.REVOKED,
  hit: kv.PinChange.HIT,
};

const reasons: Readonly<Record<RevocationReason, kv.RevocationReason>> = {
  growth: kv.RevocationReason.GROWTH,
  outbid: kv.RevocationReason.OUTBID,
  stall: kv.RevocationReason.STALL,
};

/** Pure. `sequence` counts the pin events of the epoch from 1. */
export const pinEventToProto = (event: ModelPinEvent, sequence: bigint, now: Instant): kv.PinEvent => ({
  sequence,
  change: changes[event.change],
  pin: pinToProto(event.pin, now),
  reason: event.reason === undefined ? kv.RevocationReason.UNSPECIFIED : reasons[event.reason],
});

/** Pure. */
export const statsToProto = (stats: ModelStats, epoch: string, blockSize: number): kv.KvStats => ({
  epoch,
  totalBlocks: stats.totalBlocks,
  freeBlocks: stats.freeBlocks,
  evictableBlocks: stats.evictableBlocks,
  pinnedBlocks: stats.pinnedBlocks,
  activeBlocks: stats.activeBlocks,
  blockSize,
  runningRequests: stats.runningRequests,
  waitingRequests: stats.waitingRequests,
  pins: stats.pins,
  preemptions: BigInt(stats.preemptions),
  promptTokens: BigInt(stats.promptTokens),
  cachedTokens: BigInt(stats.cachedTokens),
  outputTokens: BigInt(stats.outputTokens),
});
