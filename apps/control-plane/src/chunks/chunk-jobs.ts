/**
 * Work on stored chunks ahead of the turns that will need it: builds means over neutral contexts, and copies variants to
 * where a prefill reads from.
 *
 * What a run changes lies in an engine, under names that follow from the payload, and in rows that are written in place of
 * those of the same name. So a run that is done again changes nothing, and no record of its effect is needed (ADR 0005).
 */
import type { ChunkRepository } from '@holdfast/persistence';
import { DomainError } from '@holdfast/platform';
import type { Instant } from '@holdfast/scheduling';
import type { JobJson, JobRun } from '@holdfast/jobs';
import { tokenDigest } from '@holdfast/chunk-cache';
import type { ChunkBuildPayload, ChunkPrefetchPayload } from '../jobs/chunk-catalogue.js';
import { inBuildSpan } from '../telemetry/chunk-spans.js';
import { knownVariant, type KnownVariant } from './chunk-rows.js';
import { textOfRow, type ChunkText } from './chunk-texts.js';
import type { EngineShelf } from './engine-shelf.js';
import { meanItem } from './mean-variant.js';
import { QuietTime } from './quiet-time.js';

/** What the jobs work with. */
export interface ChunkJobsOptions {
  readonly repository: ChunkRepository;
  /** Of the engines that are attached and reconciled. */
  readonly shelves: () => readonly EngineShelf[];
  /** True while a turn runs on an engine. */
  readonly isBusy: (engineId: string) => boolean;
  readonly now: () => Instant;
}

/** See the file header. */
export class ChunkJobs {
  constructor(private readonly options: ChunkJobsOptions) {}

  /**
   * Modifies an engine and its shelf: builds the means that are not there.
   *
   * @throws DomainError ENGINE_UNREACHABLE while the engine is not attached, and what the engine says.
   */
  async build({ engineId, headChunkId, chunkIds }: ChunkBuildPayload, { jobId, signal }: JobRun): Promise<JobJson> {
    const shelf = this.#shelfOf(engineId);
    const { fingerprint, neutralPrefixIds } = shelf.capabilities;
    if (neutralPrefixIds.length === 0) return { built: 0, reason: 'the engine suggests no neutral prefix' };
    const ids = headChunkId === null ? chunkIds : [headChunkId, ...chunkIds];
    const texts = new Map((await this.options.repository.texts(ids)).map((row) => [row.chunkId, textOfRow(row)]));
    const head = headChunkId === null ? null : (texts.get(headChunkId) ?? null);
    // Text of another model's tokens, or that was invalidated since.
    const known = chunkIds
      .flatMap((id) => texts.get(id) ?? [])
      .filter(({ chunk }) => chunk.fingerprint === fingerprint);
    const missing = known.filter(({ chunk }) => !shelf.hasMean(chunk.id));
    const quiet = new QuietTime(() => this.options.isBusy(engineId), signal);
    let built = 0;
    // One in a call: a turn that comes meanwhile waits for one chunk at most.
    for (const text of missing) {
      await quiet.wait();
      const opId = `${jobId}.${text.chunk.id}`;
      const facts = { engineId, chunks: 1 };
      built += (await inBuildSpan(facts, () => this.#buildMean(shelf, { opId, head, text }))).length;
    }
    return { built, there: known.length - missing.length, unknown: chunkIds.length - known.length };
  }

  /**
   * Modifies an engine: copies variants to its fast tier.
   *
   * @throws DomainError ENGINE_UNREACHABLE while the engine is not attached, and what the engine says.
   */
  async prefetch({ engineId, variantIds }: ChunkPrefetchPayload, { jobId }: JobRun): Promise<JobJson> {
    const shelf = this.#shelfOf(engineId);
    const wanted = shelf.farFrom(variantIds);
    return { copied: wanted.length === 0 ? 0 : (await shelf.fetch(jobId, wanted)).length, asked: variantIds.length };
  }

  async #buildMean(
    shelf: EngineShelf,
    work: { readonly opId: string; readonly head: ChunkText | null; readonly text: ChunkText },
  ): Promise<readonly KnownVariant[]> {
    const { opId, head, text } = work;
    const { epoch, fingerprint, neutralPrefixIds: neutralIds } = shelf.capabilities;
    const items = [meanItem(text, { head, neutralIds })];
    const variants = await shelf.build({ opId, epoch, fingerprint, items });
    const facts = {
      preceding: [],
      foundation: 'neutral',
      foundationDigest: head === null ? '' : tokenDigest(head.tokenIds),
      storedAt: this.options.now(),
    } as const;
    const built = variants.map((stored) => knownVariant(stored, { ...facts, ...text }));
    shelf.stored(built);
    // Text that was invalidated while it was being built goes with what came of it.
    const { id } = text.chunk;
    const isValid = (await this.options.repository.texts([id])).length > 0;
    if (!isValid) shelf.invalidate(({ variant }) => variant.chunk.id === id);
    await shelf.settled();
    return isValid ? built : [];
  }

  #shelfOf(engineId: string): EngineShelf {
    const shelf = this.options.shelves().find((one) => one.engineId === engineId);
    if (shelf !== undefined) return shelf;
    throw new DomainError({
      kind: 'unavailable',
      reason: 'ENGINE_UNREACHABLE',
      message: `engine ${engineId} is not attached, or its stored chunks are not known yet`,
      metadata: { engineId },
    });
  }
}
