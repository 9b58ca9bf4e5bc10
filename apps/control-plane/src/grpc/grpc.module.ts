import { Module } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { ProgramServices } from '../programs/program-services.js';
import { ProgramsModule } from '../programs/programs.module.js';
import { CONFIG, LOGGER } from '../tokens.js';
import { GrpcServer } from './grpc-server.js';
import { programHandlers } from './program-handlers.js';

/** ProgramService on its port. */
@Module({
  imports: [ProgramsModule],
  providers: [
    {
      provide: GrpcServer,
      inject: [CONFIG, LOGGER, ProgramServices],
      useFactory: (config: Config, logger: Logger, services: ProgramServices): GrpcServer =>
        new GrpcServer({
          address: config.HOLDFAST_GRPC_ADDRESS,
          maxMessageBytes: config.HOLDFAST_MAX_MESSAGE,
          handlers: programHandlers({ services, logger }),
        }),
    },
  ],
  exports: [GrpcServer],
})
export class GrpcModule {}
