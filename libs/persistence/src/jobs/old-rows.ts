import { seconds, type Duration, type Instant } from '@holdfast/scheduling';
import type { Transaction } from './job-effects.js';

/** How long rows are kept; at least a day each. */
export interface RowAges {
  /** Ended programs, with their turns, tool calls, pins and decisions, since their end; accepted requests. */
  readonly programs: Duration;
  /** The event logs. */
  readonly events: Duration;
}

/** How many rows were deleted. */
export type DeletedRows = Readonly<
  Record<'programs' | 'decisions' | 'pins' | 'events' | 'requests' | 'jobEffects' | 'chunkTexts', number>
>;

/** Of each kind and pool, in one transaction: what is left is deleted next time. */
const LIMIT = 20_000;
const PROGRAM_LIMIT = 1_000;
/** A chunk's tokens without a variant: as long as a job may still want to build one. */
const CHUNK_TEXT_AGE = seconds(86_400);

/** Modifies the database. What is older than allowed goes, oldest first. The last event of a log stays: it numbers the next. */
export const deleteOldRows = async (transaction: Transaction, now: Instant, ages: RowAges): Promise<DeletedRows> => {
  const before = BigInt(now - ages.programs);
  const pools = await transaction.poolLease.findMany({ select: { poolId: true } });
  const deleted = { programs: 0, decisions: 0, pins: 0, events: 0, requests: 0, jobEffects: 0, chunkTexts: 0 };
  for (const { poolId } of pools) {
    const programs = await transaction.program.findMany({
      where: { poolId, endedAt: { lt: before } },
      select: { programId: true },
      orderBy: { endedAt: 'asc' },
      take: PROGRAM_LIMIT,
    });
    const where = { programId: { in: programs.map(({ programId }) => programId) } };
    deleted.decisions += (await transaction.decision.deleteMany({ where })).count;
    deleted.pins += (await transaction.pin.deleteMany({ where })).count;
    deleted.programs += (await transaction.program.deleteMany({ where })).count;
    deleted.events += await deleteEvents(transaction, poolId, BigInt(now - ages.events));
  }
  deleted.requests = await transaction.$executeRaw`
    DELETE FROM request WHERE (scope, request_id) IN (
      SELECT scope, request_id FROM request WHERE recorded_at_micros < ${before}
       ORDER BY recorded_at_micros LIMIT ${LIMIT})`;
  deleted.jobEffects = await transaction.$executeRaw`
    DELETE FROM job_effect WHERE job_id IN (
      SELECT job_id FROM job_effect WHERE at_micros < ${before} ORDER BY at_micros LIMIT ${LIMIT})`;
  deleted.chunkTexts = await transaction.$executeRaw`
    DELETE FROM chunk_text WHERE chunk_id IN (
      SELECT chunk_id FROM chunk_text text WHERE seen_at_micros < ${BigInt(now - CHUNK_TEXT_AGE)}
         AND NOT EXISTS (SELECT 1 FROM chunk_variant variant WHERE variant.chunk_id = text.chunk_id)
       ORDER BY seen_at_micros LIMIT ${LIMIT})`;
  return deleted;
};

/** Times rise with the sequence, so the log is read from its old end up to the first event that stays. */
const deleteEvents = async (transaction: Transaction, poolId: string, before: bigint): Promise<number> => {
  const firstKept = await transaction.poolEvent.findFirst({
    where: { poolId, at: { gte: before } },
    select: { sequence: true },
    orderBy: { sequence: 'asc' },
  });
  const last = await transaction.poolEvent.aggregate({ where: { poolId }, _max: { sequence: true } });
  const bound = firstKept?.sequence ?? last._max.sequence;
  if (bound === null) return 0;
  return transaction.$executeRaw`
    DELETE FROM pool_event WHERE pool_id = ${poolId} AND sequence IN (
      SELECT sequence FROM pool_event WHERE pool_id = ${poolId} AND sequence < ${bound}
       ORDER BY sequence LIMIT ${LIMIT})`;
};
