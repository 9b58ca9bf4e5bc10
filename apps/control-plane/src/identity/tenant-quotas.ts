/**
 * Limits of tenants, asked without a wait on the way of a turn: limits are in memory and refreshed behind the caller's
 * back. A change made by this process holds at once, one by another within {@link FRESH_MS}.
 */
import type { TenantLimits, TenantRepository } from '@holdfast/persistence';
import { logErrorOnce, type ErrorLogger } from '@holdfast/platform';
import { seconds, type Instant } from '@holdfast/scheduling';
import { quotaExceeded } from './identity-errors.js';
import { TokenBucket } from './token-bucket.js';

const FRESH_MS = 10_000;
const MAX_TENANTS = 10_000;
/** When a program ends is not known: a caller at the limit asks again in this time. */
const PROGRAM_RETRY = seconds(2);

/** What quotas work with. */
export interface TenantQuotasOptions {
  readonly tenants: Pick<TenantRepository, 'get'>;
  readonly wallNow: () => Instant;
  readonly logger: ErrorLogger;
}

interface Standing {
  limits: TenantLimits;
  turns: TokenBucket | null;
  readAtMs: number;
  isReading: boolean;
}

const noLimits: TenantLimits = { maxLivePrograms: null, turnsPerSecond: null, maxPinnedTokens: null };

/** See the file header. */
export class TenantQuotas {
  readonly #options: TenantQuotasOptions;
  readonly #standings = new Map<string, Standing>();

  constructor(options: TenantQuotasOptions) {
    this.#options = options;
  }

  /** Modifies state. Reads the limits unless they are known. */
  async load(tenantId: string): Promise<void> {
    const known = this.#standings.get(tenantId);
    if (known === undefined || known.readAtMs === 0) await this.#read(tenantId);
  }

  /** Modifies state. The limits have changed. */
  set(tenantId: string, limits: TenantLimits): void {
    const standing = this.#standings.get(tenantId) ?? this.#add(tenantId);
    const { turnsPerSecond } = limits;
    standing.limits = limits;
    standing.readAtMs = Date.now();
    if (turnsPerSecond === null) standing.turns = null;
    else if (standing.turns === null) standing.turns = this.#bucket(turnsPerSecond);
    else standing.turns.change(turnsPerSecond, burstOf(turnsPerSecond));
  }

  /** @throws DomainError QUOTA_EXCEEDED when the tenant has as many live programs as it may. */
  requireProgram(tenantId: string, livePrograms: number): void {
    const { maxLivePrograms } = this.#standing(tenantId).limits;
    if (maxLivePrograms !== null && livePrograms >= maxLivePrograms) {
      throw quotaExceeded('maxLivePrograms', maxLivePrograms, PROGRAM_RETRY);
    }
  }

  /**
   * Modifies state. Counts one turn.
   *
   * @throws DomainError QUOTA_EXCEEDED when the tenant has sent as many as it may.
   */
  takeTurn(tenantId: string): void {
    const { turns, limits } = this.#standing(tenantId);
    const wait = turns?.take(this.#options.wallNow()) ?? null;
    if (wait !== null) throw quotaExceeded('turnsPerSecond', limits.turnsPerSecond ?? 0, wait);
  }

  /** True when the tenant may have so many tokens pinned. */
  mayPin(tenantId: string, pinnedTokens: number): boolean {
    const { maxPinnedTokens } = this.#standing(tenantId).limits;
    return maxPinnedTokens === null || pinnedTokens <= maxPinnedTokens;
  }

  #standing(tenantId: string): Standing {
    const standing = this.#standings.get(tenantId) ?? this.#add(tenantId);
    if (Date.now() - standing.readAtMs > FRESH_MS && !standing.isReading) {
      // Nobody waits for it: the limits of before hold until the new ones are here.
      void this.#read(tenantId).catch((error: unknown) => logErrorOnce(error, this.#options.logger));
    }
    return standing;
  }

  async #read(tenantId: string): Promise<void> {
    const standing = this.#standings.get(tenantId) ?? this.#add(tenantId);
    standing.isReading = true;
    try {
      this.set(tenantId, (await this.#options.tenants.get(tenantId)) ?? noLimits);
    } finally {
      standing.isReading = false;
    }
  }

  #add(tenantId: string): Standing {
    const standing: Standing = { limits: noLimits, turns: null, readAtMs: 0, isReading: false };
    this.#standings.set(tenantId, standing);
    for (const oldest of this.#standings.keys()) {
      if (this.#standings.size <= MAX_TENANTS) break;
      this.#standings.delete(oldest);
    }
    return standing;
  }

  #bucket(perSecond: number): TokenBucket {
    return new TokenBucket(perSecond, burstOf(perSecond), this.#options.wallNow());
  }
}

/** A second's worth at once, and at least one turn. */
const burstOf = (perSecond: number): number => Math.max(1, perSecond);
