import { Module } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { CONFIG, LOGGER, ON_FATAL, STORAGE } from '../tokens.js';
import { openStorage, type Storage } from './storage.js';

/** The database, embedded or given, with the pool's lease and its writer. */
@Module({
  providers: [
    {
      provide: STORAGE,
      inject: [CONFIG, LOGGER, ON_FATAL],
      useFactory: (config: Config, logger: Logger, onFatal: (error: unknown) => void): Promise<Storage> =>
        openStorage({
          poolId: config.HOLDFAST_POOL,
          databaseUrl: config.DATABASE_URL,
          dataDir: config.HOLDFAST_DATA_DIR,
          logger,
          onStopped: onFatal,
        }),
    },
  ],
  exports: [STORAGE],
})
export class PersistenceModule {}
