import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { chunk } from '@holdfast/contracts';
import type { EngineLoad } from '@holdfast/scheduling';
import type { EngineClient, GenerateCall, GenerateEvent, WatchEvent } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import { callSource } from '../vllm/message-source.js';
import { pullMessages } from '../vllm/pull-messages.js';
import { openChunkLink, type ChunkClientOptions, type ChunkLink } from './chunk-link.js';
import type { ChunkOperations } from './chunk-operations.js';
import { capabilitiesFromProto, infoFromProto, readCapabilities } from './describe-engine.js';
import { execute } from './execute.js';

/** An engine that reuses chunks: a whole engine, and operations on what it stores. */
export type ChunkEngineClient = EngineClient & { readonly chunks: ChunkOperations };

const PAGE_SIZE = 1_000;

/** A client for anything that speaks `holdfast.chunk.v1`. It pins no programs and orders nothing by rank. */
export const createChunkClient = (options: ChunkClientOptions): ChunkEngineClient => {
  const link = openChunkLink(options);
  const { engineId, client } = link;
  const load = async (): Promise<{ readonly epoch: string; readonly load: EngineLoad }> => ({
    epoch: (await link.unary('GetStats', client, client.getStats, {})).epoch,
    load: { ...NO_LOAD, runningRequests },
  });
  let runningRequests = 0;
  async function* generate(call: GenerateCall): AsyncGenerator<GenerateEvent, void> {
    runningRequests += 1;
    try {
      yield* execute(link, call);
    } finally {
      runningRequests -= 1;
    }
  }
  const noPins = (): Promise<never> => Promise.reject(missing(engineId, 'pins'));
  return {
    info: async () => infoFromProto(engineId, await readCapabilities(link)),
    generate,
    pin: noPins,
    renew: noPins,
    release: noPins,
    rerank: () => Promise.reject(missing(engineId, 'ranks')),
    listPins: noPins,
    load,
    watch: (watching) => poll(load, watching),
    tokenizerArchive: () => readArchive(link),
    checkHealth: async () => void (await load()),
    close: () => client.close(),
    chunks: chunkOperations(link),
  };
};

/** The engine has no paged pool, and does not say what others run there. */
const NO_LOAD: EngineLoad = {
  freeBlocks: 0,
  evictableBlocks: 0,
  pinnedBlocks: 0,
  activeBlocks: 0,
  runningRequests: 0,
  waitingRequests: 0,
};

const missing = (engineId: string, what: string): EngineError =>
  new EngineError({
    reason: 'ENGINE_CAPABILITY_MISSING',
    engineId,
    message: `an engine of holdfast.chunk.v1 has no ${what}`,
  });

async function* poll(
  load: () => Promise<{ readonly epoch: string; readonly load: EngineLoad }>,
  { intervalMs, signal }: { readonly intervalMs: number; readonly signal: AbortSignal },
): AsyncGenerator<WatchEvent, void> {
  while (!signal.aborted) {
    yield { type: 'load', ...(await load()) };
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

const readArchive = async (link: ChunkLink): Promise<Uint8Array> => {
  const { archive, sha256 } = await link.longUnary('GetTokenizer', link.client, link.client.getTokenizer, {});
  const actual = createHash('sha256').update(archive).digest();
  if (actual.equals(sha256)) return archive;
  const message = `GetTokenizer: the SHA-256 is ${actual.toString('hex')}, announced was "${sha256.toString('hex')}"`;
  throw new EngineError({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId: link.engineId, message, retryable: true });
};

const chunkOperations = (link: ChunkLink): ChunkOperations => {
  const { engineId, client, unary, longUnary } = link;
  return {
    capabilities: async () => capabilitiesFromProto(await readCapabilities(link)),
    build: async (request) =>
      (await longUnary('Build', client, client.build, { ...request, withStats: true })).variants,
    copy: async (opId, tier, variantIds) => {
      const items = variantIds.map((variantId) =>
        chunk.PlaceItem.create({ variantId, action: chunk.PlaceAction.COPY, tier }),
      );
      const { results } = await longUnary('Place', client, client.place, { opId, epoch: '', items });
      return results.filter(({ done }) => done).map(({ variantId }) => variantId);
    },
    evict: async (opId, variantIds) => {
      const items = variantIds.map((variantId) =>
        chunk.PlaceItem.create({ variantId, action: chunk.PlaceAction.EVICT }),
      );
      await unary('Place', client, client.place, { opId, epoch: '', items });
    },
    invalidate: async (request) =>
      (await longUnary('Invalidate', client, client.invalidate, { ...chunk.InvalidateRequest.create(), ...request }))
        .variantIds,
    list: async () => {
      const variants: chunk.Variant[] = [];
      let pageToken = '';
      do {
        const page = await unary('ListVariants', client, client.listVariants, { pageToken, pageSize: PAGE_SIZE });
        variants.push(...page.variants);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return variants;
    },
    reconcile: (opId, known) => longUnary('Reconcile', client, client.reconcile, { opId, known: [...known] }),
    watchEvents: ({ epoch, since, signal }) =>
      pullMessages(callSource(client.watchEvents({ epoch, since })), {
        engineId,
        method: 'WatchEvents',
        client,
        // Nothing happens for as long as nothing happens: the connection's keepalive notices a dead peer.
        firstMessageMs: LONGEST_TIMER_MS,
        idleMs: LONGEST_TIMER_MS,
        signal,
      }),
  };
};

const LONGEST_TIMER_MS = 2 ** 31 - 1;
