/**
 * The one effect of a job. What a job changes, it changes through {@link EffectScope}, in the transaction that also
 * records that it did: however often the job runs, and wherever its process is killed, the effect is there once.
 */
import type { Instant } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type { PrismaClient } from '../generated/client.js';
import type { JsonValue } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';
import { rollUpDecisions } from './decision-roll-ups.js';
import { deleteOldRows, type DeletedRows, type RowAges } from './old-rows.js';
import { expireSilentPrograms } from './silent-programs.js';

/** An effect is short; one that is not is undone and tried again. */
const TRANSACTION = { maxWait: 10_000, timeout: 60_000 } as const;

/** The client inside a transaction. */
export type Transaction = Parameters<Parameters<PrismaClient['$transaction']>[0]>[0];

/** What jobs may change, all of it in one transaction. */
export class EffectScope {
  constructor(private readonly transaction: Transaction) {}

  /** Counts the decisions of each hour that is over; returns how many hours were counted. */
  rollUpDecisions(now: Instant): Promise<number> {
    return rollUpDecisions(this.transaction, now);
  }

  /** Deletes rows that are older than allowed, some of each kind; returns how many. */
  deleteOldRows(now: Instant, ages: RowAges): Promise<DeletedRows> {
    return deleteOldRows(this.transaction, now, ages);
  }

  /** Times out programs that nobody schedules and that were silent for longer than their limit; returns their ids. */
  expireSilentPrograms(now: Instant): Promise<readonly string[]> {
    return expireSilentPrograms(this.transaction, now);
  }

  /** Puts learned statistics in the place of those of `version`; false when they have changed since. */
  async replaceStatistics(
    poolId: string,
    version: number,
    next: { readonly document: JsonValue; readonly savedAt: Instant },
  ): Promise<boolean> {
    const { count } = await this.transaction.poolStatistics.updateMany({
      where: { poolId, version },
      data: { version: version + 1, document: next.document as object, savedAt: BigInt(next.savedAt) },
    });
    return count === 1;
  }

  /** Keeps the result of a dry run. */
  async finishDryRun(jobId: string, result: JsonValue, finishedAt: Instant): Promise<void> {
    const data = { result: result as object, finishedAt: BigInt(finishedAt) };
    await this.transaction.policyDryRun.updateMany({ where: { jobId }, data });
  }
}

/** See the file header. */
export class JobEffects {
  constructor(private readonly database: Database) {}

  /** What the job has brought about; undefined while it has not. */
  async find(jobId: string): Promise<JsonValue | undefined> {
    const row = await fromStorage(() => prismaOf(this.database).jobEffect.findUnique({ where: { jobId } }));
    return row === null ? undefined : (row.result as JsonValue);
  }

  /**
   * Brings the effect about, unless it is there already; returns its result either way. Two that try at once take
   * turns, and the second one finds the effect there.
   */
  once(
    job: { readonly jobId: string; readonly name: string; readonly at: Instant },
    effect: (scope: EffectScope) => Promise<JsonValue>,
  ): Promise<JsonValue> {
    const { jobId, name, at } = job;
    return fromStorage(() =>
      prismaOf(this.database).$transaction(async (transaction) => {
        const { count } = await transaction.jobEffect.createMany({
          data: [{ jobId, name, at: BigInt(at), result: {} }],
          skipDuplicates: true,
        });
        if (count === 0) {
          const row = await transaction.jobEffect.findUniqueOrThrow({ where: { jobId } });
          return row.result as JsonValue;
        }
        const result = await effect(new EffectScope(transaction));
        await transaction.jobEffect.update({ where: { jobId }, data: { result: result as object } });
        return result;
      }, TRANSACTION),
    );
  }
}
