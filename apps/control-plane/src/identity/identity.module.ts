import { Inject, Injectable, Module, type OnModuleInit } from '@nestjs/common';
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

/**
 * Makes the first key before anything is served. A step of the start rather than of the wiring: when it fails, what had
 * started is stopped in order.
 */
@Injectable()
class FirstKey implements OnModuleInit {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #storage: Storage;

  constructor(@Inject(CONFIG) config: Config, @Inject(LOGGER) logger: Logger, @Inject(STORAGE) storage: Storage) {
    this.#config = config;
    this.#logger = logger;
    this.#storage = storage;
  }

  async onModuleInit(): Promise<void> {
    if (this.#config.HOLDFAST_AUTH === 'off') return;
    await ensureFirstKey({
      keys: new ApiKeyRepository(this.#storage.database),
      wallNow,
      logger: this.#logger,
      file: this.#config.HOLDFAST_ADMIN_KEY_FILE,
      restUrl: restUrl(this.#config),
    });
  }
}

const restUrl = ({ HOLDFAST_HTTP_ADDRESS: { host, port }, HOLDFAST_TLS_CERT: cert }: Config): string =>
  `${cert === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}/api/v1`;

/** Who calls, and how much a tenant may have. */
@Module({
  imports: [PersistenceModule],
  providers: [
    {
      provide: Authenticator,
      inject: [CONFIG, STORAGE],
      useFactory: (config: Config, storage: Storage): Authenticator =>
        new Authenticator({
          keys: config.HOLDFAST_AUTH === 'off' ? null : new ApiKeyRepository(storage.database),
          wallNow,
        }),
    },
    FirstKey,
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
