import { Module } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { CONFIG, LOGGER, STORAGE } from '../tokens.js';
import { openStorage, type Storage } from './storage.js';

/** The database, embedded or given, with the pool's lease and its writer. */
@Module({
  providers: [
    {
      provide: STORAGE,
      inject: [CONFIG, LOGGER],
      useFactory: (config: Config, logger: Logger): Promise<Storage> =>
        openStorage({
          poolId: config.HOLDFAST_POOL,
          databaseUrl: config.DATABASE_URL,
          dataDir: config.HOLDFAST_DATA_DIR,
          logger,
        }),
    },
  ],
  exports: [STORAGE],
})
export class PersistenceModule {}
