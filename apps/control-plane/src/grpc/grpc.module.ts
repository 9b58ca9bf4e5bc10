import { Module } from '@nestjs/common';
import type { Clock } from '@holdfast/platform';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { ProgramServices } from '../programs/program-services.js';
import { ProgramsModule } from '../programs/programs.module.js';
import { CLOCK, CONFIG, LOGGER } from '../tokens.js';
import { GrpcServer } from './grpc-server.js';
import { programHandlers } from './program-handlers.js';

/** ProgramService on its port. */
@Module({
  imports: [ProgramsModule],
  providers: [
    {
      provide: GrpcServer,
      inject: [CONFIG, LOGGER, CLOCK, ProgramServices],
      useFactory: (config: Config, logger: Logger, clock: Clock, services: ProgramServices): GrpcServer =>
        new GrpcServer({
          address: config.HOLDFAST_GRPC_ADDRESS,
          maxMessageBytes: config.HOLDFAST_MAX_MESSAGE,
          handlers: programHandlers({ services, clock, logger }),
        }),
    },
  ],
  exports: [GrpcServer],
})
export class GrpcModule {}
