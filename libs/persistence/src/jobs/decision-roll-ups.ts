import type { Instant } from '@holdfast/scheduling';
import type { Transaction } from './job-effects.js';

const HOUR = 3_600_000_000n;
/** What became of a pin is known later than the decision: so many counted hours are counted again. */
const RECOUNTED_HOURS = 3n;
/** Decisions are kept for a day at least (`RowAges`), so hours of the last day are whole. */
const WHOLE_HOURS = 24n;

/**
 * Modifies the database: counts of each pool's decisions by hour, kind, policy, choice and outcome, for hours that are
 * over. Counting an hour again replaces its counts. Returns the number of hours.
 */
export const rollUpDecisions = async (transaction: Transaction, now: Instant): Promise<number> => {
  const end = hourOf(BigInt(now));
  let hours = 0;
  for (const { poolId } of await transaction.poolLease.findMany({ select: { poolId: true } })) {
    const from = await firstHour(transaction, poolId, end);
    if (from === null || from >= end) continue;
    await transaction.decisionRollUp.deleteMany({ where: { poolId, hour: { gte: from, lt: end } } });
    await transaction.$executeRaw`
      INSERT INTO decision_roll_up (pool_id, hour_micros, kind, policy, choice, outcome, decisions)
      SELECT pool_id, at_micros / ${HOUR} * ${HOUR}, kind, policy, choice, coalesce(outcome::text, ''), count(*)::int
        FROM decision WHERE pool_id = ${poolId} AND at_micros >= ${from} AND at_micros < ${end}
       GROUP BY 1, 2, 3, 4, 5, 6`;
    hours += Number((end - from) / HOUR);
  }
  return hours;
};

const hourOf = (at: bigint): bigint => (at / HOUR) * HOUR;

/** Where to begin to count; null when there is nothing. */
const firstHour = async (transaction: Transaction, poolId: string, end: bigint): Promise<bigint | null> => {
  const counted = await transaction.decisionRollUp.aggregate({ where: { poolId }, _max: { hour: true } });
  const last = counted._max.hour;
  if (last === null) {
    const { _min } = await transaction.decision.aggregate({ where: { poolId }, _min: { at: true } });
    return _min.at === null ? null : hourOf(_min.at);
  }
  const again = last - (RECOUNTED_HOURS - 1n) * HOUR;
  return again >= end - WHOLE_HOURS * HOUR ? again : last + HOUR;
};
