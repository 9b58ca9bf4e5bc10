import type { Instant } from '@holdfast/scheduling';
import type { Transaction } from './job-effects.js';

/** In one transaction: what is left is expired next time. */
const LIMIT = 1_000;

/**
 * Modifies the database. Live programs are timed out by the kernel of their pool; this is for pools whose lease has run
 * out. Their leases are locked meanwhile: a replica that takes such a pool over waits, and finds the programs ended.
 */
export const expireSilentPrograms = async (transaction: Transaction, now: Instant): Promise<readonly string[]> => {
  const abandoned = await transaction.$queryRaw<{ pool_id: string }[]>`
    SELECT pool_id FROM pool_lease WHERE expires_at < clock_timestamp() - interval '1 minute' FOR UPDATE SKIP LOCKED`;
  const at = BigInt(now);
  const expired = await transaction.$queryRaw<{ program_id: string }[]>`
    UPDATE program SET state = 'timedOut', ended_at_micros = ${at},
           end_message = 'silent for longer than its idle limit, in a pool that nobody scheduled'
     WHERE program_id IN (
       SELECT program_id FROM program
        WHERE pool_id = ANY (${abandoned.map((row) => row.pool_id)}) AND ended_at_micros IS NULL
          AND last_active_at_micros + idle_limit_micros < ${at}
        ORDER BY program_id LIMIT ${LIMIT})
    RETURNING program_id`;
  const programs = expired.map((row) => row.program_id);
  const ofPrograms = { programId: { in: programs } };
  await transaction.turn.updateMany({
    where: { ...ofPrograms, state: { in: ['submitted', 'dispatched', 'started'] } },
    data: {
      state: 'failed',
      failureReason: 'TURN_INTERRUPTED',
      failureMessage: 'the service stopped while the turn ran',
      finishedAt: at,
    },
  });
  await transaction.toolCall.updateMany({
    where: { ...ofPrograms, endedAt: null },
    data: { outcome: 'cancelled', endedAt: at },
  });
  await transaction.pin.updateMany({
    where: { ...ofPrograms, endedAt: null },
    data: { outcome: 'lost', endedAt: at },
  });
  return programs;
};
