import { type Duration, type Instant, instant } from '@holdfast/scheduling';
import { type Database, poolOf } from './database.js';
import { LeaseLostError, fromStorage } from './storage-errors.js';

/** The right to schedule a pool. Its token is larger than that of every earlier lease of the pool. */
export interface PoolLease {
  readonly poolId: string;
  readonly owner: string;
  readonly fencingToken: number;
  /** By the database's clock. */
  readonly expiresAt: Instant;
}

/** What came of an attempt to acquire a lease. */
export type LeaseAttempt =
  | { readonly acquired: true; readonly lease: PoolLease }
  | { readonly acquired: false; readonly heldBy: string; readonly expiresAt: Instant };

interface LeaseRow {
  readonly owner: string;
  readonly fencing_token: string;
  readonly expires_at_micros: string;
}

const returned = `owner, fencing_token, floor(extract(epoch FROM expires_at) * 1000000)::bigint AS expires_at_micros`;
const expiry = `clock_timestamp() + make_interval(secs => $3::double precision / 1000000)`;

/** Leases of pools. Expiry is by the database's clock, so replicas need not agree on the time. */
export class PoolLeaseStore {
  constructor(private readonly database: Database) {}

  /**
   * Takes the pool with a new fencing token. Refused while the lease of another owner lives. An owner that holds the
   * lease already (a restarted replica) gets a new token, and its old one is stale.
   */
  async acquire(poolId: string, owner: string, ttl: Duration): Promise<LeaseAttempt> {
    const taken = await this.query(
      `INSERT INTO pool_lease AS l (pool_id, owner, fencing_token, expires_at) VALUES ($1, $2, 1, ${expiry})
       ON CONFLICT (pool_id) DO UPDATE
         SET owner = EXCLUDED.owner, fencing_token = l.fencing_token + 1, expires_at = EXCLUDED.expires_at
         WHERE l.owner = EXCLUDED.owner OR l.expires_at <= clock_timestamp()
       RETURNING ${returned}`,
      [poolId, owner, ttl],
    );
    if (taken) return { acquired: true, lease: toLease(poolId, taken) };
    const holder = await this.query(`SELECT ${returned} FROM pool_lease WHERE pool_id = $1`, [poolId]);
    if (!holder) throw new Error(`the lease of pool ${poolId} was deleted while it was being acquired`);
    return { acquired: false, heldBy: holder.owner, expiresAt: instant(Number(holder.expires_at_micros)) };
  }

  /**
   * Extends a lease, also one that ran out and that nobody else took.
   *
   * @throws LeaseLostError when another lease has followed.
   */
  async renew(lease: PoolLease, ttl: Duration): Promise<PoolLease> {
    const renewed = await this.query(
      `UPDATE pool_lease SET expires_at = ${expiry} WHERE pool_id = $1 AND fencing_token = $2 RETURNING ${returned}`,
      [lease.poolId, lease.fencingToken, ttl],
    );
    if (!renewed) throw new LeaseLostError(lease.poolId, lease.fencingToken);
    return toLease(lease.poolId, renewed);
  }

  /** Gives the pool up, so that another replica need not wait. A lease that was lost stays as it is. */
  async release(lease: PoolLease): Promise<void> {
    await this.query(`UPDATE pool_lease SET expires_at = clock_timestamp() WHERE pool_id = $1 AND fencing_token = $2`, [
      lease.poolId,
      lease.fencingToken,
    ]);
  }

  private query(sql: string, values: readonly (string | number)[]): Promise<LeaseRow | undefined> {
    return fromStorage(async () => (await poolOf(this.database).query<LeaseRow>(sql, [...values])).rows[0]);
  }
}

const toLease = (poolId: string, row: LeaseRow): PoolLease => ({
  poolId,
  owner: row.owner,
  fencingToken: Number(row.fencing_token),
  expiresAt: instant(Number(row.expires_at_micros)),
});
