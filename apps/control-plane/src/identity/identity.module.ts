import { Module } from '@nestjs/common';
import { ApiKeyRepository, TenantRepository } from '@holdfast/persistence';
import { systemClock } from '@holdfast/platform';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { PersistenceModule } from '../persistence/persistence.module.js';
import type { Storage } from '../persistence/storage.js';
import { CONFIG, LOGGER, STORAGE } from '../tokens.js';
import { Authenticator } from './authenticator.js';
import { ensureFirstKey } from './first-key.js';
import { TenantQuotas } from './tenant-quotas.js';

/** Keys expire and rates count in real time, whatever the service's time scale. */
const wallNow = systemClock().now;

/** Who calls, and how much a tenant may have. */
@Module({
  imports: [PersistenceModule],
  providers: [
    {
      provide: Authenticator,
      inject: [CONFIG, LOGGER, STORAGE],
      useFactory: async (config: Config, logger: Logger, storage: Storage): Promise<Authenticator> => {
        if (config.HOLDFAST_AUTH === 'off') return new Authenticator({ keys: null, wallNow });
        const keys = new ApiKeyRepository(storage.database);
        await ensureFirstKey({ keys, wallNow, logger, file: config.HOLDFAST_ADMIN_KEY_FILE });
        return new Authenticator({ keys, wallNow });
      },
    },
    {
      provide: TenantQuotas,
      inject: [LOGGER, STORAGE],
      useFactory: (logger: Logger, storage: Storage): TenantQuotas =>
        new TenantQuotas({ tenants: new TenantRepository(storage.database), wallNow, logger }),
    },
  ],
  exports: [Authenticator, TenantQuotas],
})
export class IdentityModule {}
