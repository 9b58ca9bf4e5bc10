/** Engines that were registered while the service ran, beside those of its configuration. */
import type { RegisteredEngineRepository } from '@holdfast/persistence';
import { DomainError } from '@holdfast/platform';
import type { EngineId, Instant } from '@holdfast/scheduling';
import type { EngineAddress } from '../config/config.js';
import type { OpenEngine } from '../engine-targets.js';
import type { EngineRegistry } from './engine-registry.js';

/** What registration works with. */
export interface RegisteredEnginesOptions {
  readonly poolId: string;
  readonly registry: EngineRegistry;
  readonly repository: RegisteredEngineRepository;
  readonly open: OpenEngine;
  readonly wallNow: () => Instant;
}

/** See the file header. */
export class RegisteredEngines {
  readonly #options: RegisteredEnginesOptions;

  constructor(options: RegisteredEnginesOptions) {
    this.#options = options;
  }

  /** Modifies state. Adds the engines that earlier processes were told of; resolves when each was tried once. */
  async restore(): Promise<void> {
    const { repository, registry, poolId } = this.#options;
    const rows = await repository.list(poolId);
    await Promise.all(
      rows
        .filter(({ engineId }) => !registry.has(engineId))
        .map(({ address, kvControlAddress }) => registry.add(this.#options.open(addressOf(address, kvControlAddress)))),
    );
  }

  /**
   * Modifies state. Adds an engine to the pool, for good; returns its id when it was tried once.
   *
   * @throws DomainError ENGINE_EXISTS.
   */
  async register({ address, kvControlAddress }: EngineAddress): Promise<EngineId> {
    const { repository, registry, poolId, open, wallNow } = this.#options;
    if (registry.has(address)) throw engineExists(address);
    const target = open({ address, ...(kvControlAddress === undefined ? {} : { kvControlAddress }) });
    const { engineId } = target;
    const attached = registry.add(target);
    const registeredAt = wallNow();
    await repository.add({ poolId, engineId, address, kvControlAddress: kvControlAddress ?? null, registeredAt });
    await attached;
    return engineId;
  }

  /**
   * Modifies state. Takes an engine out of the pool. One of the configuration is back after a restart.
   *
   * @throws DomainError ENGINE_NOT_FOUND.
   */
  async remove(engineId: EngineId): Promise<void> {
    const { repository, registry, poolId } = this.#options;
    if (!registry.has(engineId)) throw engineNotFound(engineId);
    await repository.remove(poolId, engineId);
    await registry.remove(engineId);
  }
}

const addressOf = (address: string, kvControlAddress: string | null): EngineAddress =>
  kvControlAddress === null ? { address } : { address, kvControlAddress };

/** Pure. */
export const engineNotFound = (engineId: string): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'ENGINE_NOT_FOUND',
    message: `the pool has no engine ${JSON.stringify(engineId)}`,
    metadata: { engineId },
  });

const engineExists = (engineId: string): DomainError =>
  new DomainError({
    kind: 'exists',
    reason: 'ENGINE_EXISTS',
    message: `the pool has an engine ${engineId} already`,
    metadata: { engineId },
  });
