import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Telemetry } from '@holdfast/platform';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { RegisteredEngines } from '../engines/registered-engines.js';
import { GrpcModule } from '../grpc/grpc.module.js';
import { GrpcServer } from '../grpc/grpc-server.js';
import { BackgroundWork } from '../jobs/background-work.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { HealthController } from '../health/health.controller.js';
import { PersistenceModule } from '../persistence/persistence.module.js';
import type { Storage } from '../persistence/storage.js';
import { ProgramServices } from '../programs/program-services.js';
import { ProgramsModule } from '../programs/programs.module.js';
import { CONFIG, LOGGER, ON_FATAL, STORAGE, TELEMETRY } from '../tokens.js';
import { ControlPlane } from './control-plane.js';

/** Ties the service to Nest's start and stop. */
@Injectable()
class ControlPlaneHooks implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #controlPlane: ControlPlane;

  constructor(@Inject(ControlPlane) controlPlane: ControlPlane) {
    this.#controlPlane = controlPlane;
  }

  onApplicationBootstrap(): Promise<void> {
    return this.#controlPlane.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.#controlPlane.stop();
  }
}

/** Start, stop and health of the service. */
@Module({
  imports: [PersistenceModule, ProgramsModule, JobsModule, GrpcModule],
  controllers: [HealthController],
  providers: [
    ControlPlaneHooks,
    {
      provide: ControlPlane,
      inject: [
        CONFIG,
        LOGGER,
        TELEMETRY,
        ON_FATAL,
        STORAGE,
        ProgramServices,
        RegisteredEngines,
        GrpcServer,
        BackgroundWork,
      ],
      useFactory: (
        config: Config,
        logger: Logger,
        telemetry: Telemetry,
        onFatal: (error: unknown) => void,
        storage: Storage,
        services: ProgramServices,
        registeredEngines: RegisteredEngines,
        grpc: GrpcServer,
        background: BackgroundWork,
      ): ControlPlane =>
        new ControlPlane({
          services,
          registeredEngines,
          grpc,
          background,
          storage,
          logger,
          telemetry,
          onFatal,
          drainLimit: config.HOLDFAST_DRAIN_LIMIT,
        }),
    },
  ],
  exports: [ControlPlane],
})
export class LifecycleModule {}
