/**
 * Chunks of turns: which engine stores what, what of a prompt is reused, and what came of it.
 *
 * Engines that store chunks are noticed when they are attached; until rows and engine agree, their turns are computed
 * whole. Where no engine can reuse chunks behind others, they are put into the order that prefix caches find most in.
 */
import {
  createPlanner,
  defaultQualityRules,
  PrefixOrder,
  QualityController,
  type ChunkPlanner,
  type PlannerName,
  type Variant,
} from '@holdfast/chunk-cache';
import type { program as wire } from '@holdfast/contracts';
import type { ChunkOperations, ChunkWork, EngineClient } from '@holdfast/engines';
import type { ChunkRepository } from '@holdfast/persistence';
import type { EngineEpoch, EngineId, Instant } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff } from '../engines/backoff.js';
import type { ChunkSpans } from '../telemetry/chunk-spans.js';
import type { LiveTurn } from '../turns/live-turn.js';
import type { EngineAnswer } from '../turns/turn-runner.js';
import { ChunkForesight } from './chunk-foresight.js';
import { ChunkJobs } from './chunk-jobs.js';
import type { ChunkLayout, LaidChunk } from './chunk-layout.js';
import type { ChunkTenants } from './chunk-tenants.js';
import { EngineShelf } from './engine-shelf.js';
import { Recent } from './recent.js';
import { lookUpChunks, planTurnChunks, settleTurnChunks, type PlannedTurn } from './turn-chunks.js';

/** An engine as it is attached now. */
export interface AttachedEngine {
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly client: EngineClient;
}

/** What the manager works with. */
export interface ChunkManagerOptions {
  readonly repository: ChunkRepository;
  readonly tenants: ChunkTenants;
  readonly attached: () => readonly AttachedEngine[];
  /** True while a turn runs on an engine. */
  readonly isBusy: (engineId: string) => boolean;
  readonly planner: PlannerName;
  /** Mean divergence that is accepted, nats a token. */
  readonly lossBound: number;
  readonly now: () => Instant;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly onUse: (use: wire.ChunkUse) => void;
  readonly onRemoved: (variant: Variant, reason: string) => void;
}

/** An engine of one epoch, being watched. */
interface Watched {
  readonly epoch: EngineEpoch;
  readonly abort: AbortController;
  /** Null until rows and engine agree. */
  shelf: EngineShelf | null;
  nonPrefix: boolean;
}

/** Streams of losses that are told apart; those that were not seen the longest are forgotten. */
const MOST_CONTROLLERS = 1_000;

/** See the file header. */
export class ChunkManager {
  /** What deferred work does. */
  readonly jobs: ChunkJobs;
  /** Asks for it. */
  readonly foresight: ChunkForesight;
  readonly #options: ChunkManagerOptions;
  readonly #planner: ChunkPlanner;
  readonly #prefixPlanner = createPlanner('prefix-only');
  readonly #watched = new Map<EngineId, Watched>();
  readonly #layouts = new WeakMap<LiveTurn, ChunkLayout>();
  readonly #planned = new WeakMap<LiveTurn, PlannedTurn>();
  readonly #qualities = new Recent<QualityController>(MOST_CONTROLLERS);
  readonly #orders = new Recent<PrefixOrder<string>>(MOST_CONTROLLERS);
  #isClosed = false;

  constructor(options: ChunkManagerOptions) {
    this.#options = options;
    this.#planner = createPlanner(options.planner);
    const { repository, now, logger } = options;
    this.jobs = new ChunkJobs({ repository, now, isBusy: options.isBusy, shelves: () => this.shelves });
    this.foresight = new ChunkForesight({
      wantsMeans: options.planner === 'holdfast',
      shelfOf: (engineId) => this.shelves.find((shelf) => shelf.engineId === engineId),
      now,
      logger,
    });
  }

  /** Salts and quotas. */
  get tenants(): ChunkTenants {
    return this.#options.tenants;
  }

  /** The registry. */
  get repository(): ChunkRepository {
    return this.#options.repository;
  }

  /** The service's time. */
  now(): Instant {
    return this.#options.now();
  }

  /** Shelves of the engines that are attached and reconciled. */
  get shelves(): readonly EngineShelf[] {
    return [...this.#watched.values()].flatMap(({ shelf }) => shelf ?? []);
  }

  /** Modifies state. The set of attached engines changed. */
  enginesChanged(): void {
    if (this.#isClosed) return;
    const attached = new Map(this.#options.attached().map((engine) => [engine.engineId, engine]));
    for (const [engineId, { epoch, abort }] of this.#watched) {
      if (attached.get(engineId)?.epoch === epoch) continue;
      abort.abort();
      this.#watched.delete(engineId);
    }
    for (const engine of attached.values()) {
      if (engine.client.chunks === undefined || this.#watched.has(engine.engineId)) continue;
      const watched: Watched = { epoch: engine.epoch, abort: new AbortController(), shelf: null, nonPrefix: true };
      this.#watched.set(engine.engineId, watched);
      void this.#watch(engine, engine.client.chunks, watched);
    }
  }

  /** Modifies state. In which order a prompt holds its chunks. */
  arrange(tenantId: string, chunks: readonly LaidChunk[]): readonly LaidChunk[] {
    // While no engine is attached, nobody knows what the next one can do: the caller's order holds, as its answer does.
    const isOnlyPrefixes = ![...this.#watched.values()].some(({ nonPrefix }) => nonPrefix);
    if (!isOnlyPrefixes || this.#options.attached().length === 0) return chunks;
    const order = this.#orders.get(tenantId) ?? new PrefixOrder<string>();
    this.#orders.set(tenantId, order);
    const byKey = new Map(chunks.map((one) => [`${one.source}\n${one.tokenDigest}`, one]));
    return order.arrange([...byKey.keys()]).map((key) => byKey.get(key)!);
  }

  /** Modifies state. The prompt of a turn was laid. */
  laid(turn: LiveTurn, layout: ChunkLayout): void {
    this.#layouts.set(turn, layout);
  }

  /** Modifies state. How an engine is to make the KV of a turn; undefined computes everything. */
  async workFor(
    turn: LiveTurn,
    { engineId, epoch }: Pick<AttachedEngine, 'engineId' | 'epoch'>,
    trace: ChunkSpans,
  ): Promise<ChunkWork | undefined> {
    const layout = this.#layouts.get(turn);
    const watched = this.#watched.get(engineId);
    this.#planned.delete(turn);
    if (layout === undefined || watched?.shelf == null || watched.epoch !== epoch) return undefined;
    const { shelf } = watched;
    const lookedUp = trace.lookup();
    const { salt } = await this.#options.tenants.get(layout.tenantId);
    const scope = { tenant: layout.tenantId, salt, fingerprint: shelf.capabilities.fingerprint };
    const found = lookUpChunks({ layout, scope, shelf });
    lookedUp({ chunks: layout.chunks.length, variants: found.variants });
    const planner = shelf.capabilities.nonPrefix ? this.#planner : this.#prefixPlanner;
    const made = trace.plan(planner.name);
    const quality = this.#qualityOf(scope);
    const draw = this.#options.random();
    const planned = planTurnChunks({ found, layout, scope, shelf, planner, quality, draw });
    const { decision, work, plan } = planned;
    made({ ...decision, lowered: plan.lowered.map(({ from, to }) => `${from} -> ${to}`) });
    this.#planned.set(turn, planned);
    return work;
  }

  /** Modifies state. An engine has the whole answer of a turn; its caller sees then what the chunks cost. */
  finished(turn: LiveTurn, answer: EngineAnswer): void {
    const layout = this.#layouts.get(turn);
    if (layout === undefined) return;
    const planned = this.#planned.get(turn);
    const isPlanned = planned !== undefined && answer.chunks !== undefined;
    turn.chunkUse = isPlanned
      ? settleTurnChunks(planned, answer.chunks, this.#options.now())
      : prefixUse(layout, answer);
    this.#options.onUse(turn.chunkUse);
    if (isPlanned) this.foresight.turnFinished(turn, planned);
  }

  /** Modifies state. Stops to watch; resolves when all rows are written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { abort } of this.#watched.values()) abort.abort();
    await Promise.all(this.shelves.map((shelf) => shelf.settled()));
  }

  #qualityOf({ tenant, fingerprint }: { readonly tenant: string; readonly fingerprint: string }): QualityController {
    const key = `${tenant} ${fingerprint}`;
    const { lossBound } = this.#options;
    const quality = this.#qualities.get(key) ?? new QualityController({ ...defaultQualityRules, lossBound });
    this.#qualities.set(key, quality);
    return quality;
  }

  /** Brings rows and engine together, then follows the engine's events; again after each failure. */
  async #watch(engine: AttachedEngine, operations: ChunkOperations, watched: Watched): Promise<void> {
    const { signal } = watched.abort;
    const backoff = new Backoff({ baseMs: 100, capMs: 10_000, random: this.#options.random });
    while (!signal.aborted) {
      try {
        const { shelf, sequence } = await this.#reconciled(engine, operations);
        if (signal.aborted) return;
        watched.shelf = shelf;
        watched.nonPrefix = shelf.capabilities.nonPrefix;
        backoff.reset();
        for await (const message of operations.watchEvents({ epoch: engine.epoch, since: sequence, signal })) {
          if (message.payload?.$case === 'gapUntil') break;
          if (message.payload !== undefined) shelf.noticed(message.payload.value);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#options.logger.warn({ err: error, engineId: engine.engineId }, 'stored chunks of an engine not known');
      }
      await sleep(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  async #reconciled(
    { engineId, epoch }: AttachedEngine,
    operations: ChunkOperations,
  ): Promise<{ readonly shelf: EngineShelf; readonly sequence: bigint }> {
    const { repository, tenants, logger, onRemoved } = this.#options;
    const capabilities = await operations.capabilities();
    if (capabilities.epoch !== epoch)
      throw new Error(`engine ${engineId} is in epoch ${capabilities.epoch}, not ${epoch}`);
    await tenants.load();
    const quotaBytes = (tenantId: string): number => tenants.quotaBytes(tenantId);
    const shelf = new EngineShelf({ engineId, operations, capabilities, repository, quotaBytes, logger, onRemoved });
    return { shelf, sequence: await shelf.reconcile() };
  }
}

/** What is known of a turn whose engine keeps prefixes by itself. */
const prefixUse = ({ headIds, chunks }: ChunkLayout, { cachedTokens }: EngineAnswer): wire.ChunkUse => {
  const total = chunks.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const reusedTokens = Math.min(total, Math.max(0, cachedTokens - headIds.length));
  let end = 0;
  const reusedChunks = chunks.filter(({ tokenIds }) => (end += tokenIds.length) <= reusedTokens).length;
  return {
    ...{ reusedTokens, recomputedTokens: 0, computedTokens: total - reusedTokens, reusedChunks, recomputeShare: 0 },
    reason: 'the engine reuses prefixes only; the chunks are in the order that it finds most in',
    shadowKl: undefined,
  };
};
