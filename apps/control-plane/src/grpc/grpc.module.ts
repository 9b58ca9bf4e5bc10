import { Module } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { Authenticator } from '../identity/authenticator.js';
import { IdentityModule } from '../identity/identity.module.js';
import { MetricsModule } from '../metrics/metrics.module.js';
import { ServiceMetrics } from '../metrics/service-metrics.js';
import { ProgramServices } from '../programs/program-services.js';
import { ProgramsModule } from '../programs/programs.module.js';
import { CONFIG, LOGGER } from '../tokens.js';
import { grpcCredentials } from '../identity/tls.js';
import { GrpcServer } from './grpc-server.js';
import { programHandlers } from './program-handlers.js';

/** ProgramService on its port. */
@Module({
  imports: [ProgramsModule, IdentityModule, MetricsModule],
  providers: [
    {
      provide: GrpcServer,
      inject: [CONFIG, LOGGER, ProgramServices, Authenticator, ServiceMetrics],
      useFactory: (
        config: Config,
        logger: Logger,
        services: ProgramServices,
        authenticator: Authenticator,
        metrics: ServiceMetrics,
      ): GrpcServer =>
        new GrpcServer({
          address: config.HOLDFAST_GRPC_ADDRESS,
          maxMessageBytes: config.HOLDFAST_MAX_MESSAGE,
          credentials: grpcCredentials(config),
          handlers: programHandlers({ services, authenticator, metrics, logger }),
        }),
    },
  ],
  exports: [GrpcServer],
})
export class GrpcModule {}
