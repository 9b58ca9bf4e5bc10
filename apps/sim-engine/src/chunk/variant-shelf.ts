import { chunk } from '@holdfast/contracts';
import { DomainError } from '@holdfast/platform';
import type { EventLog } from './event-log.js';

/** A stored variant and what was before it. */
export interface ShelfVariant extends chunk.Variant {
  readonly spec: chunk.VariantSpec;
  /** Digest of the tokens before it when it was computed; null for a mean over several. */
  readonly prefixDigest: string | null;
  /** It is the mean over several contexts. */
  readonly isMean: boolean;
}

/** Modelled KV in host memory: least recently used leaves first, what is pinned stays. */
export class VariantShelf {
  /** In order of the last use. */
  readonly #variants = new Map<string, ShelfVariant>();
  readonly #generations = new Map<string, bigint>();
  #bytes = 0n;

  constructor(
    private readonly capacityBytes: bigint,
    private readonly events: EventLog,
  ) {}

  get bytes(): bigint {
    return this.#bytes;
  }

  get size(): number {
    return this.#variants.size;
  }

  /** In order of their names. */
  list(): readonly ShelfVariant[] {
    return [...this.#variants.values()].sort((a, b) => (a.spec.variantId < b.spec.variantId ? -1 : 1));
  }

  find(variantId: string): ShelfVariant | undefined {
    return this.#variants.get(variantId);
  }

  /** Modifies state. */
  used(variant: ShelfVariant): void {
    this.#variants.delete(variant.spec.variantId);
    this.#variants.set(variant.spec.variantId, variant);
  }

  /** Modifies state: stores under the next generation of the name. Throws QUOTA_EXCEEDED when it cannot fit. */
  put(fresh: Omit<ShelfVariant, 'generation'>): ShelfVariant {
    const { variantId } = fresh.spec;
    this.#remove(variantId);
    this.#makeRoom(fresh.bytes);
    const generation = (this.#generations.get(variantId) ?? 0n) + 1n;
    this.#generations.set(variantId, generation);
    const variant: ShelfVariant = { ...fresh, generation };
    this.#variants.set(variantId, variant);
    this.#bytes += variant.bytes;
    this.events.add({ kind: chunk.EventKind.STORED, variantId, generation, tier: chunk.Tier.MEMORY });
    if (this.#bytes * 10n > this.capacityBytes * 9n) {
      this.events.add({ kind: chunk.EventKind.PRESSURE, tier: chunk.Tier.MEMORY, bytesUsed: this.#bytes });
    }
    return variant;
  }

  /** Modifies state. False when there was none. */
  evict(variantId: string, detail: string): boolean {
    const variant = this.#remove(variantId);
    if (variant === undefined) return false;
    this.events.add({ kind: chunk.EventKind.EVICTED, variantId, generation: variant.generation, detail });
    return true;
  }

  /** Modifies state. */
  pin(variantId: string, pinned: boolean): void {
    const variant = this.#variants.get(variantId);
    if (variant !== undefined) this.#variants.set(variantId, { ...variant, pinned });
  }

  #makeRoom(bytes: bigint): void {
    const candidates = [...this.#variants.values()].filter(({ pinned }) => !pinned);
    let free = this.capacityBytes - this.#bytes;
    for (const { spec } of candidates) {
      if (free >= bytes) return;
      this.evict(spec.variantId, 'no room');
      free = this.capacityBytes - this.#bytes;
    }
    if (free >= bytes) return;
    throw new DomainError({
      kind: 'exhausted',
      reason: 'QUOTA_EXCEEDED',
      message: `a variant of ${bytes} bytes does not fit: ${free} of ${this.capacityBytes} are free, the rest is pinned`,
    });
  }

  #remove(variantId: string): ShelfVariant | undefined {
    const variant = this.#variants.get(variantId);
    if (variant === undefined) return undefined;
    this.#variants.delete(variantId);
    this.#bytes -= variant.bytes;
    return variant;
  }
}
