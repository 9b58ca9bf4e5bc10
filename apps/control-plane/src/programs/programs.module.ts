import { Module } from '@nestjs/common';
import { RegisteredEngineRepository } from '@holdfast/persistence';
import { systemClock, type Clock } from '@holdfast/platform';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import type { OpenEngine } from '../engine-targets.js';
import type { EngineTarget } from '../engines/engine-registry.js';
import { RegisteredEngines } from '../engines/registered-engines.js';
import { IdentityModule } from '../identity/identity.module.js';
import { TenantQuotas } from '../identity/tenant-quotas.js';
import { MetricsModule } from '../metrics/metrics.module.js';
import { ServiceMetrics } from '../metrics/service-metrics.js';
import { PersistenceModule } from '../persistence/persistence.module.js';
import type { Storage } from '../persistence/storage.js';
import { CLOCK, CONFIG, ENGINE_TARGETS, LOGGER, ON_FATAL, OPEN_ENGINE, STORAGE } from '../tokens.js';
import { buildServices } from './build-services.js';
import { ProgramServices } from './program-services.js';

/** The pool and what serves its programs. */
@Module({
  imports: [PersistenceModule, IdentityModule, MetricsModule],
  providers: [
    {
      provide: ProgramServices,
      inject: [CONFIG, LOGGER, CLOCK, ENGINE_TARGETS, STORAGE, TenantQuotas, ServiceMetrics, ON_FATAL],
      useFactory: (
        config: Config,
        logger: Logger,
        clock: Clock,
        engines: readonly EngineTarget[],
        storage: Storage,
        quotas: TenantQuotas,
        metrics: ServiceMetrics,
        onFailure: (error: unknown) => void,
      ): ProgramServices =>
        buildServices({
          poolId: config.HOLDFAST_POOL,
          storage,
          clock,
          logger,
          engines,
          kernel: {
            profile: config.HOLDFAST_POLICY.profile,
            fencingToken: storage.lease.fencingToken,
            dispatchWindow: config.HOLDFAST_DISPATCH_WINDOW,
            maxQueuedTurns: config.HOLDFAST_MAX_QUEUED_TURNS,
          },
          quotas,
          metrics,
          limits: {
            idleLimit: config.HOLDFAST_PROGRAM_IDLE_LIMIT,
            callerStallLimit: config.HOLDFAST_CALLER_STALL_LIMIT,
          },
          contextMemoryBytes: config.HOLDFAST_CONTEXT_MEMORY,
          engineAbsenceLimit: config.HOLDFAST_ENGINE_ABSENCE_LIMIT,
          chunks: {
            planner: config.HOLDFAST_CHUNK_PLANNER,
            lossBound: config.HOLDFAST_CHUNK_LOSS_BOUND,
            quotaBytes: config.HOLDFAST_CHUNK_QUOTA,
          },
          onFailure,
        }),
    },
    {
      provide: RegisteredEngines,
      inject: [OPEN_ENGINE, STORAGE, ProgramServices],
      useFactory: (open: OpenEngine, storage: Storage, { poolId, pool }: ProgramServices): RegisteredEngines =>
        new RegisteredEngines({
          poolId,
          open,
          registry: pool.engines,
          repository: new RegisteredEngineRepository(storage.database),
          wallNow: systemClock().now,
        }),
    },
  ],
  exports: [ProgramServices, RegisteredEngines],
})
export class ProgramsModule {}
