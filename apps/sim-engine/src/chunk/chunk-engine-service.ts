import { chunk } from '@holdfast/contracts';
import { DomainError, invalidFields, type Clock, type ErrorLogger } from '@holdfast/platform';
import { instant } from '@holdfast/scheduling';
import type { EngineSettings } from '../engine-settings.js';
import { streaming, unary } from '../grpc-handlers.js';
import { encodeText } from '../tokenizer/byte-level-tokenizer.js';
import type { TokenizerArchive } from '../tokenizer/tokenizer-archive.js';
import { AnsweredOperations } from './answered-operations.js';
import { buildVariant } from './build-variants.js';
import { capabilities, simFingerprint, tierStates } from './capabilities.js';
import type { ChunkSettings } from './chunk-settings.js';
import { EventLog } from './event-log.js';
import { execute } from './execute-call.js';
import { place } from './place-variants.js';
import { SerialLane } from './serial-lane.js';
import { VariantShelf, type ShelfVariant } from './variant-shelf.js';

/** What the service is made of. */
export interface ChunkEngineOptions {
  readonly settings: EngineSettings;
  readonly chunks: ChunkSettings;
  readonly clock: Clock;
  readonly archive: TokenizerArchive;
  readonly version: string;
  readonly logger: ErrorLogger;
}

const DEFAULT_PAGE = 100;
const MOST_PAGE = 1_000;

/** holdfast.chunk.v1 with modelled cost: what is stored and reused is exact arithmetic, what it takes is a model. */
export class ChunkEngineService {
  readonly #events: EventLog;
  readonly #shelf: VariantShelf;
  readonly #lane: SerialLane;
  readonly #operations = new AnsweredOperations();
  readonly #counts = { requests: 0n, promptTokens: 0n, computedTokens: 0n, reusedTokens: 0n, misses: 0n };

  constructor(private readonly options: ChunkEngineOptions) {
    this.#events = new EventLog(options.settings.epoch);
    this.#shelf = new VariantShelf(
      { memoryBytes: BigInt(options.chunks.memoryBytes), diskBytes: BigInt(options.chunks.diskBytes) },
      this.#events,
    );
    this.#lane = new SerialLane(options.clock);
  }

  /** The handlers. */
  handlers(): chunk.ChunkEngineServiceServer {
    const { logger, archive } = this.options;
    const { epoch } = this.options.settings;
    return {
      getCapabilities: unary(logger, () => this.#capabilities()),
      tokenize: unary(logger, ({ texts }: chunk.TokenizeRequest) => ({
        lists: texts.map((text) => ({ tokenIds: Array.from(encodeText(text)) })),
      })),
      getTokenizer: unary(logger, () => ({
        archive: Buffer.from(archive.bytes),
        sha256: Buffer.from(archive.sha256, 'hex'),
      })),
      execute: streaming(logger, (call) => this.#execute(call)),
      build: unary(logger, (request: chunk.BuildRequest) => this.#build(request)),
      place: unary(logger, (request: chunk.PlaceRequest) => {
        this.#check(request);
        return this.#operations.once(request.opId, () => ({
          epoch,
          results: request.items.map((item) => this.#place(item)),
        }));
      }),
      invalidate: unary(logger, (request: chunk.InvalidateRequest) =>
        this.#operations.once(request.opId, () => ({ epoch, variantIds: this.#invalidate(request) })),
      ),
      listVariants: unary(logger, (request: chunk.ListVariantsRequest) => this.#list(request)),
      reconcile: unary(logger, (request: chunk.ReconcileRequest) =>
        this.#operations.once(request.opId, () => this.#reconcile(request)),
      ),
      watchEvents: streaming(logger, (call) => this.#events.watch(call)),
      probe: unary(logger, () => {
        throw new DomainError({
          kind: 'precondition',
          reason: 'ENGINE_CAPABILITY_MISSING',
          message: 'a simulated engine has no values to probe',
        });
      }),
      getStats: unary(logger, () => this.#stats()),
    };
  }

  /** Modifies state. Ends all streams. */
  close(error: unknown): void {
    this.#lane.close(error);
    this.#events.close(error);
  }

  #capabilities(): chunk.GetCapabilitiesResponse {
    const { settings, chunks, version, archive } = this.options;
    return capabilities(settings, chunks, { version, tokenizerDigest: archive.sha256, shelf: this.#shelf });
  }

  #execute(call: Parameters<chunk.ChunkEngineServiceServer['execute']>[0]): void {
    const { settings, chunks } = this.options;
    this.#check(call.request);
    const { requests } = this.#counts;
    const work = execute(call, {
      settings,
      chunks,
      requests,
      shelf: this.#shelf,
      lane: this.#lane,
      events: this.#events,
    });
    this.#counts.requests += 1n;
    this.#counts.promptTokens += BigInt(work.computedTokens + work.reusedTokens);
    this.#counts.computedTokens += BigInt(work.computedTokens);
    this.#counts.reusedTokens += BigInt(work.reusedTokens);
    this.#counts.misses += BigInt(work.segments.filter(({ missReason }) => missReason !== 0).length);
  }

  #build(request: chunk.BuildRequest): chunk.BuildResponse {
    this.#check(request);
    const { settings, chunks } = this.options;
    return this.#operations.once(request.opId, () => ({
      epoch: settings.epoch,
      variants: request.items.map((item) =>
        toWire(buildVariant(item, { shelf: this.#shelf, kvBytesPerToken: chunks.kvBytesPerToken })),
      ),
      tookMs: 0,
    }));
  }

  #place(item: chunk.PlaceItem): chunk.PlaceResult {
    const { clock } = this.options;
    return place(item, {
      shelf: this.#shelf,
      events: this.#events,
      after: (millis, fire) => this.#lane.at(instant(clock.now() + millis * 1_000), fire),
    });
  }

  #invalidate({ variantIds, chunkId, source, keepSourceVersion, salt }: chunk.InvalidateRequest): string[] {
    if (variantIds.length === 0 && chunkId === '' && source === '' && salt === '') {
      const description = 'names nothing; allowed: variant_ids, chunk_id, source or salt';
      throw invalidFields([{ field: '(request)', description }]);
    }
    const matches = ({ spec }: ShelfVariant): boolean =>
      (variantIds.length === 0 || variantIds.includes(spec.variantId)) &&
      (chunkId === '' || spec.chunkId === chunkId || spec.prefixChunkIds.includes(chunkId)) &&
      (source === '' || (spec.source === source && spec.sourceVersion !== keepSourceVersion)) &&
      (salt === '' || spec.salt === salt);
    const gone = this.#shelf.list().filter(matches);
    for (const { spec } of gone) this.#shelf.evict(spec.variantId, 'invalidated');
    return gone.map(({ spec }) => spec.variantId);
  }

  #list({ pageToken, pageSize }: chunk.ListVariantsRequest): chunk.ListVariantsResponse {
    const size = Math.min(MOST_PAGE, pageSize === 0 ? DEFAULT_PAGE : pageSize);
    const rest = this.#shelf.list().filter(({ spec }) => spec.variantId > pageToken);
    const page = rest.slice(0, size);
    const { epoch } = this.options.settings;
    const nextPageToken = rest.length > size ? page.at(-1)!.spec.variantId : '';
    return { epoch, sequence: this.#events.sequence, variants: page.map(toWire), nextPageToken };
  }

  #reconcile({ known }: chunk.ReconcileRequest): chunk.ReconcileResponse {
    const generations = new Map(known.map(({ variantId, generation }) => [variantId, generation]));
    const dropped = this.#shelf.list().filter(({ spec, generation }) => generations.get(spec.variantId) !== generation);
    for (const { spec } of dropped) this.#shelf.evict(spec.variantId, 'not known to the caller');
    return {
      epoch: this.options.settings.epoch,
      sequence: this.#events.sequence,
      missingVariantIds: known.map(({ variantId }) => variantId).filter((id) => this.#shelf.find(id) === undefined),
      droppedVariantIds: dropped.map(({ spec }) => spec.variantId),
      orphanFilesRemoved: 0,
    };
  }

  #stats(): chunk.GetStatsResponse {
    return {
      epoch: this.options.settings.epoch,
      sequence: this.#events.sequence,
      variants: this.#shelf.size,
      tiers: tierStates(this.options.chunks, this.#shelf),
      ...this.#counts,
      corrupt: 0n,
    };
  }

  #check({ epoch, fingerprint = '' }: { readonly epoch: string; readonly fingerprint?: string }): void {
    const { settings, archive } = this.options;
    if (epoch !== '' && epoch !== settings.epoch) {
      throw new DomainError({
        kind: 'conflict',
        reason: 'EPOCH_STALE',
        message: `epoch is "${epoch}"; allowed: "${settings.epoch}", the engine's own, or empty for any`,
        metadata: { epoch: settings.epoch },
      });
    }
    const own = simFingerprint(settings, archive.sha256);
    if (fingerprint === '' || fingerprint === own) return;
    throw invalidFields([
      { field: 'fingerprint', description: `is "${fingerprint}"; allowed: "${own}", or empty for any` },
    ]);
  }
}

const toWire = ({ prefixDigest: _, isMean: _mean, ...variant }: ShelfVariant): chunk.Variant => variant;
