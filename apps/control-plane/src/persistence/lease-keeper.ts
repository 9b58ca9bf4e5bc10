import type { PoolLease, PoolLeaseStore } from '@holdfast/persistence';
import { toDomainError } from '@holdfast/platform';
import { millis, toMillisCeil, type Duration } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a lease lasts without renewal. */
const LEASE_TTL = millis(10_000);
/** Renewed this often: two renewals may fail before the lease runs out. */
const RENEWAL_MS = 3_000;

/** What the keeper works with. */
export interface LeaseKeeperOptions {
  readonly store: PoolLeaseStore;
  readonly poolId: string;
  readonly owner: string;
  readonly logger: Logger;
  /** Another replica owns the pool from now on. */
  readonly onLost: (fencingToken: number) => void;
}

/** Holds the pool's lease: acquires it at start, renews it, releases it at the end. */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #stop = new AbortController();
  #lease: PoolLease;
  #loop: Promise<void> = Promise.resolve();
  #isHeld = true;

  private constructor(options: LeaseKeeperOptions, lease: PoolLease) {
    this.#options = options;
    this.#lease = lease;
  }

  /**
   * Acquires the lease; waits for the lease of an owner that is gone to run out.
   *
   * @throws Error when another owner still holds it after two lease times.
   */
  static async acquire(options: LeaseKeeperOptions): Promise<LeaseKeeper> {
    const { store, poolId, owner, logger } = options;
    for (let waitedMs = 0; ; waitedMs += RENEWAL_MS / 6) {
      const attempt = await store.acquire(poolId, owner, LEASE_TTL);
      if (attempt.acquired) {
        const keeper = new LeaseKeeper(options, attempt.lease);
        keeper.#loop = keeper.#renew();
        return keeper;
      }
      if (waitedMs > 2 * toMillisCeil(LEASE_TTL as Duration)) {
        throw new Error(`pool ${poolId} is scheduled by ${attempt.heldBy}; one replica at a time may schedule a pool`);
      }
      if (waitedMs === 0) logger.info({ poolId, heldBy: attempt.heldBy }, 'waiting for the lease of the pool');
      await sleep(RENEWAL_MS / 6);
    }
  }

  /** Token of the lease; larger than that of every earlier owner. */
  get fencingToken(): number {
    return this.#lease.fencingToken;
  }

  /** True until it was lost or released, as far as this replica knows. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Modifies state. Stops renewing and gives the pool up. */
  async release(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    this.#isHeld = false;
    await this.#options.store.release(this.#lease);
  }

  async #renew(): Promise<void> {
    const { store, logger, onLost, poolId } = this.#options;
    for (;;) {
      await sleep(RENEWAL_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      try {
        this.#lease = await store.renew(this.#lease, LEASE_TTL);
      } catch (error) {
        if (toDomainError(error).reason === 'LEASE_LOST') {
          this.#isHeld = false;
          onLost(this.#lease.fencingToken);
          return;
        }
        // The writer's fencing keeps a stale owner harmless; the next round tries again.
        logger.warn({ err: error, poolId }, 'the lease could not be renewed');
      }
    }
  }
}
