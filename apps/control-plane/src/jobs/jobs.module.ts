import { PolicyRepository, StatisticsRepository } from '@holdfast/persistence';
import { systemClock, type Clock } from '@holdfast/platform';
import { Module } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { MetricsModule } from '../metrics/metrics.module.js';
import { ServiceMetrics } from '../metrics/service-metrics.js';
import { PersistenceModule } from '../persistence/persistence.module.js';
import type { Storage } from '../persistence/storage.js';
import { PolicyService } from '../policies/policy-service.js';
import { ProgramServices } from '../programs/program-services.js';
import { ProgramsModule } from '../programs/programs.module.js';
import { StatisticsKeeper } from '../statistics/statistics-keeper.js';
import type { EngineTarget } from '../engines/engine-registry.js';
import { CLOCK, CONFIG, ENGINE_TARGETS, LOGGER, STORAGE } from '../tokens.js';
import { BackgroundWork } from './background-work.js';
import { jobWork } from './job-work.js';
import { ServiceJobs } from './service-jobs.js';

/** Jobs, policies that can be changed while the service runs, and statistics that outlive it. */
@Module({
  imports: [MetricsModule, PersistenceModule, ProgramsModule],
  providers: [
    {
      provide: ServiceJobs,
      inject: [CONFIG, LOGGER, STORAGE, ServiceMetrics],
      useFactory: (config: Config, logger: Logger, { url }: Storage, metrics: ServiceMetrics): ServiceJobs =>
        new ServiceJobs({
          store: config.REDIS_URL === undefined ? { kind: 'postgres', url } : { kind: 'redis', url: config.REDIS_URL },
          poolId: config.HOLDFAST_POOL,
          metrics,
          logger,
        }),
    },
    {
      provide: PolicyService,
      inject: [CONFIG, LOGGER, STORAGE, ProgramServices, ServiceJobs],
      useFactory: (
        config: Config,
        logger: Logger,
        storage: Storage,
        { pool, poolId }: ProgramServices,
        jobs: ServiceJobs,
      ): PolicyService =>
        new PolicyService({
          owner: { poolId, fencingToken: storage.lease.fencingToken },
          repository: new PolicyRepository(storage.database),
          pool,
          jobs,
          configured: config.HOLDFAST_POLICY.name,
          dispatchWindow: config.HOLDFAST_DISPATCH_WINDOW,
          wallNow: systemClock().now,
          logger,
        }),
    },
    {
      provide: StatisticsKeeper,
      inject: [LOGGER, STORAGE, ProgramServices],
      useFactory: (logger: Logger, { database }: Storage, { pool, poolId }: ProgramServices): StatisticsKeeper =>
        new StatisticsKeeper({ poolId, pool, repository: new StatisticsRepository(database), logger }),
    },
    {
      provide: BackgroundWork,
      inject: [CONFIG, CLOCK, STORAGE, ENGINE_TARGETS, ProgramServices, PolicyService, StatisticsKeeper, ServiceJobs],
      useFactory: (
        config: Config,
        clock: Clock,
        { database }: Storage,
        engines: readonly EngineTarget[],
        { chunks }: ProgramServices,
        policies: PolicyService,
        statistics: StatisticsKeeper,
        jobs: ServiceJobs,
      ): BackgroundWork =>
        new BackgroundWork({
          policies,
          statistics,
          jobs,
          work: config.HOLDFAST_ROLES.includes('jobs') ? jobWork(config, { database, clock }) : null,
          chunks: engines.some(({ client }) => client.chunks !== undefined) ? chunks : null,
        }),
    },
  ],
  exports: [ServiceJobs, PolicyService, StatisticsKeeper, BackgroundWork],
})
export class JobsModule {}
