/** Work on the chunks of a tenant's source that somebody asks for: when the source is read in, or before its turns come. */
import type { program as wire } from '@holdfast/contracts';
import { DomainError } from '@holdfast/platform';
import { mostChunksOfABuild } from '../jobs/chunk-catalogue.js';
import type { AskForChunkJob } from './chunk-foresight.js';
import { HEAD_SOURCE, identityOf, layChunks } from './chunk-layout.js';
import type { ChunkManager } from './chunk-manager.js';
import { textRow } from './chunk-texts.js';
import type { EngineShelf } from './engine-shelf.js';

/** Whose chunks, and which. */
export interface SourceOf {
  readonly tenantId: string;
  readonly source: string;
  /** Absent: of every version. */
  readonly sourceVersion?: string;
}

/** What was asked for. */
export interface AskedWork {
  readonly jobIds: readonly string[];
  /** Chunks or variants that the jobs are about, over all engines. */
  readonly count: number;
}

/** Of a source, those that were seen last: as many as a request may ask for. */
const MOST_CHUNKS = 1_024;

/**
 * Asks for the means of a source's chunks, in each engine that can use them: of the texts that are given, and of those
 * that turns have named. They are built behind the system prompt that the tenant's turns had last.
 *
 * @throws DomainError ENGINE_CAPABILITY_MISSING when no attached engine can, QUEUE_FULL, STORAGE_UNAVAILABLE.
 */
export const askForBuilds = async (
  chunks: ChunkManager,
  ask: AskForChunkJob,
  request: SourceOf & {
    readonly texts: readonly wire.Chunk[];
    readonly encode: (text: string) => Uint32Array;
  },
): Promise<AskedWork> => {
  const { tenantId, source, sourceVersion, texts, encode } = request;
  const { repository, foresight } = chunks;
  const shelves = chunks.shelves.filter(
    ({ capabilities }) => capabilities.nonPrefix && capabilities.neutralPrefixIds.length > 0,
  );
  if (shelves.length === 0) throw noEngineBuilds();
  const { salt } = await chunks.tenants.get(tenantId);
  const laid = layChunks(texts, encode);
  const jobIds: string[] = [];
  let count = 0;
  for (const shelf of shelves) {
    const { fingerprint } = shelf.capabilities;
    const scope = { tenant: tenantId, salt, fingerprint };
    const given = laid.map((one) => ({ chunk: identityOf(one, scope), name: one.name, tokenIds: one.tokenIds }));
    await repository.putTexts(given.map((text) => textRow(text, chunks.now())));
    const of = { tenantId, salt, source, fingerprint, ...(sourceVersion === undefined ? {} : { sourceVersion }) };
    const chunkIds = (await repository.chunksOf(of, MOST_CHUNKS)).filter((chunkId) => !shelf.hasMean(chunkId));
    const [headChunkId = null] = await repository.chunksOf({ tenantId, salt, fingerprint, source: HEAD_SOURCE }, 1);
    for (let at = 0; at < chunkIds.length; at += mostChunksOfABuild) {
      const ids = chunkIds.slice(at, at + mostChunksOfABuild);
      const payload = { engineId: shelf.engineId, headChunkId, chunkIds: ids, hour: foresight.hour };
      jobIds.push(await ask('chunk-build', payload));
    }
    count += chunkIds.length;
  }
  return { jobIds, count };
};

/**
 * Asks for a source's stored variants to be where a prefill reads from, in each engine that stores some.
 *
 * @throws DomainError QUEUE_FULL, STORAGE_UNAVAILABLE.
 */
export const askForPrefetch = async (
  chunks: ChunkManager,
  ask: AskForChunkJob,
  { tenantId, source, sourceVersion }: SourceOf,
): Promise<AskedWork> => {
  const ofSource = (shelf: EngineShelf): readonly string[] =>
    shelf.variants().flatMap(({ variant: { id, chunk } }) => {
      const isMeant = chunk.tenant === tenantId && chunk.source === source;
      return isMeant && (sourceVersion === undefined || chunk.sourceVersion === sourceVersion) ? [id] : [];
    });
  const jobIds: string[] = [];
  let count = 0;
  for (const shelf of chunks.shelves) {
    const variantIds = shelf.farFrom(ofSource(shelf)).slice(0, MOST_CHUNKS);
    if (variantIds.length === 0) continue;
    // Asked for twice within a moment, it is done once.
    const purpose = `source ${Math.floor(chunks.now() / 1e6)}`;
    jobIds.push(await ask('chunk-prefetch', { engineId: shelf.engineId, variantIds, purpose }));
    count += variantIds.length;
  }
  return { jobIds, count };
};

const noEngineBuilds = (): DomainError =>
  new DomainError({
    kind: 'precondition',
    reason: 'ENGINE_CAPABILITY_MISSING',
    message: 'no attached engine reuses chunks behind others and suggests a neutral prefix to build them behind',
  });
