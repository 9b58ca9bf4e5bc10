import type { PlannerName } from '@holdfast/chunk-cache';
import { ChunkRepository } from '@holdfast/persistence';
import type { Clock } from '@holdfast/platform';
import type { Logger } from 'pino';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import type { Storage } from '../persistence/storage.js';
import type { Pool } from '../scheduling/pool.js';
import { ChunkManager } from './chunk-manager.js';
import { ChunkTenants } from './chunk-tenants.js';

/** What is configured of chunks. */
export interface ChunkSettings {
  readonly planner: PlannerName;
  /** Mean divergence that is accepted, nats a token. */
  readonly lossBound: number;
  /** Of a tenant in each engine, unless its own says otherwise. */
  readonly quotaBytes: number;
}

/** Builds the manager of chunks over a pool that may not be there yet. */
export const buildChunks = (
  parts: {
    readonly storage: Storage;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: ServiceMetrics;
    readonly chunks: ChunkSettings;
  },
  pool: () => Pool,
): ChunkManager => {
  const { storage, clock, logger, metrics, chunks } = parts;
  const repository = new ChunkRepository(storage.database);
  return new ChunkManager({
    repository,
    tenants: new ChunkTenants(repository, chunks.quotaBytes),
    attached: () => pool().engines.clients,
    isBusy: (engineId) => {
      const { turns, runner } = pool();
      return turns.all().some((turn) => turn.dispatch?.engineId === engineId && runner.runs(turn.turnId));
    },
    planner: chunks.planner,
    lossBound: chunks.lossBound,
    now: clock.now,
    random: Math.random,
    logger,
    onUse: (use) => metrics.chunksUsed(use),
    onRemoved: (_variant, reason) => metrics.count('holdfast_chunk_variants_removed_total', { reason }),
  });
};
