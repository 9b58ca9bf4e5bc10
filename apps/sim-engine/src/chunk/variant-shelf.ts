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

/** How much there is room for. */
export interface ShelfRoom {
  readonly memoryBytes: bigint;
  /** 0 without files: then memory is all there is. With them, everything is on the disk, and what was used last in memory too. */
  readonly diskBytes: bigint;
}

/** Modelled KV in host memory and on disk: least recently used leaves first, what is pinned stays. */
export class VariantShelf {
  /** In order of the last use. */
  readonly #variants = new Map<string, ShelfVariant>();
  readonly #generations = new Map<string, bigint>();
  #bytes = 0n;
  #memoryBytes = 0n;

  constructor(
    private readonly room: ShelfRoom,
    private readonly events: EventLog,
  ) {}

  /** Of the tier that holds everything. */
  private get capacityBytes(): bigint {
    return this.room.diskBytes === 0n ? this.room.memoryBytes : this.room.diskBytes;
  }

  /** Bytes of copies in memory. */
  get memoryBytes(): bigint {
    return this.#memoryBytes;
  }

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

  /** Modifies state: a variant is used, and in memory from now on. */
  used({ spec }: ShelfVariant): void {
    const variant = this.#variants.get(spec.variantId);
    if (variant === undefined) return;
    this.#variants.delete(spec.variantId);
    const isNear = variant.tiers.includes(chunk.Tier.MEMORY);
    this.#variants.set(spec.variantId, isNear ? variant : { ...variant, tiers: [chunk.Tier.MEMORY, ...variant.tiers] });
    if (isNear) return;
    this.#memoryBytes += variant.bytes;
    this.events.add({
      ...{ kind: chunk.EventKind.LOADED, variantId: spec.variantId, generation: variant.generation },
      tier: chunk.Tier.MEMORY,
    });
    this.#demote();
  }

  /** Modifies state: stores under the next generation of the name. Throws QUOTA_EXCEEDED when it cannot fit. */
  put(fresh: Omit<ShelfVariant, 'generation' | 'tiers'>): ShelfVariant {
    const { variantId } = fresh.spec;
    this.#remove(variantId);
    this.#makeRoom(fresh.bytes);
    const generation = (this.#generations.get(variantId) ?? 0n) + 1n;
    this.#generations.set(variantId, generation);
    const disk = this.room.diskBytes === 0n ? [] : [chunk.Tier.DISK];
    const variant: ShelfVariant = { ...fresh, generation, tiers: [chunk.Tier.MEMORY, ...disk] };
    this.#variants.set(variantId, variant);
    this.#bytes += variant.bytes;
    this.#memoryBytes += variant.bytes;
    this.events.add({ kind: chunk.EventKind.STORED, variantId, generation, tier: chunk.Tier.MEMORY });
    if (this.#bytes * 10n > this.capacityBytes * 9n) {
      this.events.add({ kind: chunk.EventKind.PRESSURE, tier: chunk.Tier.MEMORY, bytesUsed: this.#bytes });
    }
    this.#demote();
    return this.#variants.get(variantId)!;
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

  /** Copies in memory leave, those that were not used the longest first. */
  #demote(): void {
    if (this.room.diskBytes === 0n) return;
    for (const variant of [...this.#variants.values()]) {
      if (this.#memoryBytes <= this.room.memoryBytes) return;
      if (variant.pinned || !variant.tiers.includes(chunk.Tier.MEMORY)) continue;
      const { variantId } = variant.spec;
      this.#variants.set(variantId, { ...variant, tiers: [chunk.Tier.DISK] });
      this.#memoryBytes -= variant.bytes;
      this.events.add({
        ...{ kind: chunk.EventKind.DEMOTED, variantId, generation: variant.generation },
        tier: chunk.Tier.MEMORY,
      });
    }
  }

  #remove(variantId: string): ShelfVariant | undefined {
    const variant = this.#variants.get(variantId);
    if (variant === undefined) return undefined;
    this.#variants.delete(variantId);
    this.#bytes -= variant.bytes;
    if (variant.tiers.includes(chunk.Tier.MEMORY)) this.#memoryBytes -= variant.bytes;
    return variant;
  }
}
