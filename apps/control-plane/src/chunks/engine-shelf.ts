/**
 * What one engine stores of chunks: the registry in memory, in the database and in the engine, kept equal.
 *
 * Order of writes: a variant exists in the engine before its row does, and its row goes before it does. So after a crash
 * of either side the engine may hold what no row names, and `reconcile` throws that away; a row without KV is struck.
 */
import {
  createEviction,
  VariantStore,
  type ChunkId,
  type Removal,
  type ShareForm,
  type Variant,
} from '@holdfast/chunk-cache';
import { chunk } from '@holdfast/contracts';
import type { ChunkCapabilities, ChunkOperations } from '@holdfast/engines';
import type { ChunkRepository, ChunkTextRow } from '@holdfast/persistence';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { fromRow, toRow, type KnownVariant } from './chunk-rows.js';

/** What a shelf works with. */
export interface EngineShelfOptions {
  readonly engineId: string;
  readonly operations: ChunkOperations;
  readonly capabilities: ChunkCapabilities;
  readonly repository: ChunkRepository;
  /** Bytes that a tenant's chunks may take here. */
  readonly quotaBytes: (tenantId: string) => number;
  readonly logger: Logger;
  /** A variant left, and why. */
  readonly onRemoved: (variant: Variant, reason: string) => void;
}

/** Reuse in another context costs by the symmetric distance, so eviction knows what a further variant saves. */
const FORM: ShareForm = { kind: 'symmetric', alpha: 1 };
const MOST_VARIANTS = 4;

/** See the file header. */
export class EngineShelf {
  readonly engineId: string;
  readonly capabilities: ChunkCapabilities;
  readonly #options: EngineShelfOptions;
  readonly #store: VariantStore;
  readonly #known = new Map<string, KnownVariant>();
  /** Variants with a copy in the engine's fast tier, as far as it has told. */
  readonly #near = new Set<string>();
  #writes: Promise<void> = Promise.resolve();

  constructor(options: EngineShelfOptions) {
    this.engineId = options.engineId;
    this.capabilities = options.capabilities;
    this.#options = options;
    this.#store = new VariantStore({
      capacityBytes: options.capabilities.capacityBytes,
      form: FORM,
      eviction: createEviction('holdfast', { objective: 'work', form: FORM }),
      mostVariants: MOST_VARIANTS,
      quotaBytes: options.quotaBytes,
    });
  }

  /** Bytes of a tenant's variants. */
  usedBytesOf(tenantId: string): number {
    return this.#store.usedBytesOf(tenantId);
  }

  /** Everything that is stored, in order of storing. */
  variants(): readonly KnownVariant[] {
    return this.#store.variants().map(({ id }) => this.#known.get(id)!);
  }

  /** Variants of a chunk. */
  variantsOf(chunkId: ChunkId): readonly Variant[] {
    return this.#store.variantsOf(chunkId);
  }

  /** Generation of a variant; 0 for any, when it is not known. */
  generationOf(variantId: string): bigint {
    return this.#known.get(variantId)?.generation ?? 0n;
  }

  /** What keeping a variant is worth now, for each byte of it. */
  worthOf(variantId: string): number {
    return this.#store.worthOf(variantId);
  }

  /** True when a mean over contexts is stored of a chunk. */
  hasMean(chunkId: ChunkId): boolean {
    return this.variantsOf(chunkId).some(({ context }) => context.foundation === 'neutral');
  }

  /** Those of some variants that are stored, but not where a prefill reads from. */
  farFrom(variantIds: readonly string[]): readonly string[] {
    return variantIds.filter((id) => this.#known.has(id) && !this.#near.has(id));
  }

  /** Modifies the engine; `stored` is for what it answers. @throws EngineError. */
  build(request: Parameters<ChunkOperations['build']>[0]): Promise<readonly chunk.Variant[]> {
    return this.#options.operations.build(request);
  }

  /** Modifies the engine and state: copies variants to its fast tier; returns those that are there. @throws EngineError. */
  async fetch(opId: string, variantIds: readonly string[]): Promise<readonly string[]> {
    const there = await this.#options.operations.copy(opId, this.capabilities.fastTier, variantIds);
    for (const id of there) if (this.#known.has(id)) this.#near.add(id);
    return there;
  }

  /** Modifies state: a chunk is asked for behind others. */
  reference(chunkId: ChunkId, preceding: readonly ChunkId[]): void {
    this.#store.reference(chunkId, preceding);
  }

  /**
   * Takes over what rows and engine agree on. Returns the sequence of the engine's last event.
   *
   * @throws EngineError or DomainError STORAGE_UNAVAILABLE; the shelf is not to be used then.
   */
  async reconcile(): Promise<bigint> {
    const { operations, repository, capabilities } = this.#options;
    const rows = (await repository.variants(this.engineId)).map(fromRow);
    const fitting = rows.filter(({ variant }) => variant.chunk.fingerprint === capabilities.fingerprint);
    const known = fitting.map(({ variant, generation }) => ({ variantId: variant.id, generation }));
    const { sequence, missingVariantIds, droppedVariantIds, orphanFilesRemoved } = await operations.reconcile(
      randomUUID(),
      known,
    );
    // Held in another generation: the engine has thrown it away.
    const gone = new Set([...missingVariantIds, ...droppedVariantIds]);
    const kept = fitting.filter(({ variant }) => !gone.has(variant.id));
    const keptIds = new Set(kept.map(({ variant }) => variant.id));
    const struck = rows.map(({ variant }) => variant.id).filter((id) => !keptIds.has(id));
    await repository.remove(this.engineId, struck);
    for (const one of kept) this.#put(one);
    this.#options.logger.info(
      {
        engineId: this.engineId,
        kept: kept.length,
        struck: struck.length,
        dropped: droppedVariantIds.length,
        orphanFilesRemoved,
      },
      'stored chunks reconciled',
    );
    return sequence;
  }

  /** Modifies state: the engine has stored these, of these texts as far as they are new. Rows follow. */
  stored(fresh: readonly KnownVariant[], texts: readonly ChunkTextRow[] = []): void {
    for (const one of fresh) this.#put(one);
    if (texts.length > 0) this.#write(() => this.#options.repository.putTexts(texts));
    // What did not fit has left again.
    const kept = fresh.filter(({ variant }) => this.#known.has(variant.id));
    const rows = kept.map((one) => toRow(this.engineId, one));
    if (rows.length > 0) this.#write(() => this.#options.repository.put(rows));
  }

  /** Modifies state: the engine says what has become of a variant. */
  noticed({ kind, variantId, tier }: chunk.Event): void {
    const isFast = tier === this.capabilities.fastTier;
    if (kind === chunk.EventKind.EVICTED) this.#lost(variantId, 'engine');
    else if (kind === chunk.EventKind.LOAD_FAILED) this.#lost(variantId, 'corrupt');
    else if (kind === chunk.EventKind.DEMOTED && isFast) this.#near.delete(variantId);
    else if (kind === chunk.EventKind.LOADED && isFast && this.#known.has(variantId)) this.#near.add(variantId);
  }

  #lost(variantId: string, reason: string): void {
    const known = this.#known.get(variantId);
    if (known === undefined || !this.#store.drop(variantId)) return;
    this.#forget(variantId);
    this.#options.onRemoved(known.variant, reason);
    this.#write(() => this.#options.repository.remove(this.engineId, [variantId]));
  }

  /** Modifies state: variants of chunks that `isInvalid` names leave, and those computed in their sight. */
  invalidate(isInvalid: (variant: KnownVariant) => boolean): readonly string[] {
    const invalid = new Set(
      this.variants()
        .filter(isInvalid)
        .map(({ variant }) => variant.chunk.id),
    );
    return this.#drop(this.#store.invalidateChunks(invalid));
  }

  /** Modifies state: a tenant's quota was changed. */
  enforceQuota(tenantId: string): void {
    this.#drop(this.#store.enforceQuota(tenantId));
  }

  /** Resolves when all rows are written. */
  settled(): Promise<void> {
    return this.#writes;
  }

  #forget(variantId: string): void {
    this.#known.delete(variantId);
    this.#near.delete(variantId);
  }

  #put(one: KnownVariant): void {
    this.#known.set(one.variant.id, one);
    if (one.tiers.includes(this.capabilities.fastTier)) this.#near.add(one.variant.id);
    const removals = this.#store.put(one.variant).filter(({ reason }) => reason !== 'replaced');
    this.#drop(removals);
  }

  #drop(removals: readonly Removal[]): readonly string[] {
    const ids = removals.map(({ variant }) => variant.id);
    if (ids.length === 0) return ids;
    for (const { variant, reason } of removals) {
      this.#forget(variant.id);
      this.#options.onRemoved(variant, reason);
    }
    this.#write(async () => {
      await this.#options.repository.remove(this.engineId, ids);
      await this.#options.operations.evict(randomUUID(), ids);
    });
    return ids;
  }

  /** One write after the other. One that fails is made up for by the next reconcile. */
  #write(run: () => Promise<void>): void {
    this.#writes = this.#writes.then(run).catch((error: unknown) => {
      this.#options.logger.warn({ err: error, engineId: this.engineId }, 'registry of chunks not written');
    });
  }
}
