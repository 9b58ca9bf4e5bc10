import type { ChunkId, ChunkIdentity } from '../identity/chunk-identity.js';
import type { EvictionPolicy } from '../eviction/eviction-policy.js';
import { recomputeShare, type ShareForm } from '../score/recompute-share.js';
import type { Variant, VariantId } from './variant.js';

/** A store's size and rules. */
export interface VariantStoreOptions {
  readonly capacityBytes: number;
  readonly eviction: EvictionPolicy;
  /** How variants of a chunk are compared. */
  readonly form: ShareForm;
  /** Variants a chunk; above it, its own least worthy one goes. Without, memory alone decides. */
  readonly mostVariants?: number;
  /** Bytes that the variants of a tenant may take; above it, the tenant's own least worthy ones go. Infinity is no limit. */
  readonly quotaBytes?: (tenant: string) => number;
}

/** What a store has for a chunk behind certain others. */
export interface Lookup {
  /** Of least CFO; of equal ones the one stored first. */
  readonly variant: Variant;
  readonly recomputeShare: number;
}

/** Why a variant left. */
export interface Removal {
  readonly variant: Variant;
  readonly reason: 'evicted' | 'sibling' | 'quota' | 'invalidated' | 'replaced';
}

/**
 * Which variants exist, and which leave when room is short. Holds no KV: an engine does, and what it reports wins
 * (`drop`). Identity is the whole of {@link ChunkIdentity}, so nothing is found across tenants, salts, source versions or
 * fingerprints.
 */
export class VariantStore {
  readonly #byChunk = new Map<ChunkId, Map<VariantId, Variant>>();
  readonly #variants = new Map<VariantId, Variant>();
  readonly #tenantBytes = new Map<string, number>();
  #usedBytes = 0;
  #tick = 0;

  constructor(private readonly options: VariantStoreOptions) {
    if (!(options.capacityBytes >= 0)) {
      throw new RangeError(`capacityBytes is ${options.capacityBytes}; allowed is a number from 0`);
    }
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get size(): number {
    return this.#variants.size;
  }

  /** Variants of a chunk, in order of storing. */
  variantsOf(chunk: ChunkId): readonly Variant[] {
    return [...(this.#byChunk.get(chunk)?.values() ?? [])];
  }

  /** Every variant, in order of storing. */
  variants(): readonly Variant[] {
    return [...this.#variants.values()];
  }

  /** The variant that fits best behind some chunks; null when there is none. Changes nothing. */
  find(chunk: ChunkId, preceding: readonly ChunkId[]): Lookup | null {
    let best: Lookup | null = null;
    for (const variant of this.#byChunk.get(chunk)?.values() ?? []) {
      const share = recomputeShare(variant.context, preceding, this.options.form);
      if (best === null || share < best.recomputeShare) best = { variant, recomputeShare: share };
    }
    return best;
  }

  /** Modifies state: a chunk is asked for. Returns what `find` does, counted as used when there is something. */
  reference(chunk: ChunkId, preceding: readonly ChunkId[]): Lookup | null {
    this.#tick += 1;
    this.options.eviction.onReference({ chunk, preceding, tick: this.#tick });
    const found = this.find(chunk, preceding);
    if (found !== null) this.options.eviction.onUse({ ...found, tick: this.#tick });
    return found;
  }

  /**
   * Modifies state: stores a variant and makes room. The new one may be the least worthy, and then leaves at once. A
   * variant of the same id is replaced. Throws a RangeError for a size that is not above 0.
   *
   * @returns what left, in order; an owner of KV deletes it.
   */
  put(variant: Variant): readonly Removal[] {
    if (!(variant.sizeBytes > 0)) {
      throw new RangeError(`sizeBytes of ${variant.id} is ${variant.sizeBytes}; allowed is a number above 0`);
    }
    const removals: Removal[] = [];
    const old = this.#variants.get(variant.id);
    if (old !== undefined) removals.push(this.#remove(old, 'replaced'));
    this.#add(variant);
    const siblings = this.#byChunk.get(variant.chunk.id)!;
    if (siblings.size > (this.options.mostVariants ?? Infinity)) {
      removals.push(this.#remove(this.#leastWorthy(siblings.values()), 'sibling'));
    }
    removals.push(...this.enforceQuota(variant.chunk.tenant));
    while (this.#usedBytes > this.options.capacityBytes) {
      removals.push(this.#remove(this.#leastWorthy(this.#variants.values()), 'evicted'));
    }
    return removals;
  }

  /** What keeping a variant is worth now, for each byte of it; 0 for one that is not here. */
  worthOf(id: VariantId): number {
    const variant = this.#variants.get(id);
    return variant === undefined ? 0 : this.options.eviction.worth(variant, this.#tick);
  }

  /** Bytes that the variants of a tenant take. */
  usedBytesOf(tenant: string): number {
    return this.#tenantBytes.get(tenant) ?? 0;
  }

  /** Modifies state: a tenant's least worthy variants leave until the rest is within its quota. */
  enforceQuota(tenant: string): readonly Removal[] {
    const quota = this.options.quotaBytes?.(tenant) ?? Infinity;
    const removals: Removal[] = [];
    while (this.usedBytesOf(tenant) > quota) {
      const own = this.variants().filter(({ chunk }) => chunk.tenant === tenant);
      removals.push(this.#remove(this.#leastWorthy(own), 'quota'));
    }
    return removals;
  }

  /** Modifies state: an engine no longer holds a variant. False when it was not known. */
  drop(id: VariantId): boolean {
    const variant = this.#variants.get(id);
    if (variant === undefined) return false;
    this.#remove(variant, 'invalidated');
    return true;
  }

  /**
   * Modifies state: the text of some chunks is no longer valid. Their variants go, and so do variants of other chunks that
   * were computed in their sight, since their text is in that KV too.
   */
  invalidate(isInvalid: (chunk: ChunkIdentity) => boolean): readonly Removal[] {
    const invalid = new Set<ChunkId>();
    for (const { chunk } of this.#variants.values()) if (isInvalid(chunk)) invalid.add(chunk.id);
    return this.invalidateChunks(invalid);
  }

  /** Modifies state: as `invalidate`, by the ids of chunks, whether or not they are stored themselves. */
  invalidateChunks(invalid: ReadonlySet<ChunkId>): readonly Removal[] {
    return this.variants()
      .filter(({ chunk, context }) => invalid.has(chunk.id) || context.chunks.some(({ id }) => invalid.has(id)))
      .map((variant) => this.#remove(variant, 'invalidated'));
  }

  #add(variant: Variant): void {
    this.#variants.set(variant.id, variant);
    const siblings = this.#byChunk.get(variant.chunk.id) ?? new Map<VariantId, Variant>();
    siblings.set(variant.id, variant);
    this.#byChunk.set(variant.chunk.id, siblings);
    this.#count(variant.chunk.tenant, variant.sizeBytes);
    this.options.eviction.onStored(variant, this.#tick);
  }

  #count(tenant: string, bytes: number): void {
    this.#usedBytes += bytes;
    const used = this.usedBytesOf(tenant) + bytes;
    if (used === 0) this.#tenantBytes.delete(tenant);
    else this.#tenantBytes.set(tenant, used);
  }

  #remove(variant: Variant, reason: Removal['reason']): Removal {
    this.#variants.delete(variant.id);
    const siblings = this.#byChunk.get(variant.chunk.id)!;
    siblings.delete(variant.id);
    if (siblings.size === 0) this.#byChunk.delete(variant.chunk.id);
    this.#count(variant.chunk.tenant, -variant.sizeBytes);
    this.options.eviction.onRemoved(variant);
    return { variant, reason };
  }

  #leastWorthy(candidates: Iterable<Variant>): Variant {
    let least: Variant | null = null;
    let leastWorth = Infinity;
    for (const candidate of candidates) {
      const worth = this.options.eviction.worth(candidate, this.#tick);
      if (least === null || worth < leastWorth) [least, leastWorth] = [candidate, worth];
    }
    if (least === null) throw new RangeError('no candidates; allowed is at least one variant');
    return least;
  }
}
