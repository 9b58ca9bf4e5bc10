import type pg from 'pg';
import { LeaseLostError } from '../storage-errors.js';
import type { LeaseIdentity, Statement } from './batch.js';

/** What a committed batch did. */
export interface CommitResult {
  /** Updates whose row does not exist (it was deleted by retention): nothing to write to. */
  readonly missingRows: number;
}

/**
 * Writes a batch in one transaction. The lease row is locked for the length of it, so a take-over either waits for
 * the batch or makes it write nothing (I11). Running a batch again has no further effect.
 *
 * @throws LeaseLostError when the fencing token is stale; nothing was written then.
 */
export async function commitBatch(
  pool: pg.Pool,
  lease: LeaseIdentity,
  statements: readonly Statement[],
): Promise<CommitResult> {
  const client = await pool.connect();
  let isBroken = true;
  try {
    await client.query('BEGIN');
    await requireLease(client, lease);
    let missingRows = 0;
    for (const statement of statements) missingRows += await run(client, statement, lease);
    await client.query('COMMIT');
    isBroken = false;
    return { missingRows };
  } catch (error) {
    // A connection that cannot even roll back is closed, which rolls back too.
    isBroken = await client.query('ROLLBACK').then(
      () => false,
      () => true,
    );
    throw error;
  } finally {
    client.release(isBroken);
  }
}

async function requireLease(client: pg.PoolClient, lease: LeaseIdentity): Promise<void> {
  const { rowCount } = await client.query(
    'SELECT 1 FROM pool_lease WHERE pool_id = $1 AND fencing_token = $2 FOR SHARE',
    [lease.poolId, lease.fencingToken],
  );
  if (rowCount !== 1) throw new LeaseLostError(lease.poolId, lease.fencingToken);
}

async function run(client: pg.PoolClient, statement: Statement, lease: LeaseIdentity): Promise<number> {
  const { rowCount } = await client.query(statement.sql, [...statement.values]);
  const missing = statement.rows - (rowCount ?? 0);
  if (missing > 0 && statement.action === 'save') {
    throw new Error(
      `${missing} of ${statement.rows} rows of ${statement.table} belong to another lease of pool ${lease.poolId}; ` +
        'sequence numbers go on from the last one stored',
    );
  }
  return missing;
}
