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
    // Sent at once. What is written under a stale lease is rolled back, since nothing is committed before all answers.
    const [, , ...missing] = await allDone([
      client.query('BEGIN').then(() => 0),
      requireLease(client, lease),
      ...statements.map((statement) => run(client, statement, lease)),
    ]);
    await client.query('COMMIT');
    isBroken = false;
    return { missingRows: missing.reduce((sum, rows) => sum + rows, 0) };
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

/** The results of all; the first failure in their order, once none runs any more: what follows it only says so again. */
async function allDone<Value>(running: readonly Promise<Value>[]): Promise<Value[]> {
  const ends = await Promise.allSettled(running);
  return ends.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}

async function requireLease(client: pg.PoolClient, lease: LeaseIdentity): Promise<number> {
  const { rowCount } = await client.query(
    'SELECT 1 FROM pool_lease WHERE pool_id = $1 AND fencing_token = $2 FOR SHARE',
    [lease.poolId, lease.fencingToken],
  );
  if (rowCount !== 1) throw new LeaseLostError(lease.poolId, lease.fencingToken);
  return 0;
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
