import { chunk } from '@holdfast/contracts';
import type { CancelTimer } from '@holdfast/platform';
import type { EventLog } from './event-log.js';
import type { VariantShelf } from './variant-shelf.js';

/** What placing works with. */
export interface PlaceContext {
  readonly shelf: VariantShelf;
  readonly events: EventLog;
  /** Calls once after so many milliseconds of model time. */
  readonly after: (millis: number, fire: () => void) => CancelTimer;
}

/** Modifies the shelf: carries out one order. Memory and disk are kept by use, so only copies to memory are taken. */
export const place = (item: chunk.PlaceItem, context: PlaceContext): chunk.PlaceResult => {
  const { shelf } = context;
  const { variantId, generation, action } = item;
  const held = shelf.find(variantId);
  if (action === chunk.PlaceAction.EVICT && held === undefined)
    return { variantId, done: true, refusedReason: '', tiers: [] };
  const refused = (refusedReason: string): chunk.PlaceResult => ({
    variantId,
    done: false,
    refusedReason,
    tiers: held?.tiers ?? [],
  });
  if (held === undefined) return refused('not held here');
  if (generation !== 0n && generation !== held.generation) return refused(`held in generation ${held.generation}`);
  switch (action) {
    case chunk.PlaceAction.EVICT:
      shelf.evict(variantId, 'asked for');
      return { variantId, done: true, refusedReason: '', tiers: [] };
    case chunk.PlaceAction.PIN:
      pin(item, context);
      break;
    case chunk.PlaceAction.UNPIN:
      shelf.pin(variantId, false);
      break;
    default: {
      const reason = notCopied(item);
      if (reason !== null) return refused(reason);
      shelf.used(held);
    }
  }
  return { variantId, done: true, refusedReason: '', tiers: shelf.find(variantId)?.tiers ?? [] };
};

/** Why an order is none that is taken; null for a copy to memory. */
const notCopied = ({ action, tier }: chunk.PlaceItem): string | null => {
  if (tier !== chunk.Tier.MEMORY) return 'this engine takes orders for its memory only';
  return action === chunk.PlaceAction.COPY ? null : 'copies leave when room is short; EVICT drops all';
};

const pin = ({ variantId, leaseMs }: chunk.PlaceItem, { shelf, events, after }: PlaceContext): void => {
  shelf.pin(variantId, true);
  if (leaseMs === 0) return;
  after(leaseMs, () => {
    if (shelf.find(variantId)?.pinned !== true) return;
    shelf.pin(variantId, false);
    events.add({ kind: chunk.EventKind.PIN_EXPIRED, variantId });
  });
};
