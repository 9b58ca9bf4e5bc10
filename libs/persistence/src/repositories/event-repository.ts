import { type KernelEvent, instant } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type { PoolEventRow } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';

const eventsPerRead = 1_000;

/** Reads the event logs of pools. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
export class EventRepository {
  constructor(private readonly database: Database) {}

  /** Events of a pool in the order of their sequence, from the one after `afterSequence`, read in parts. */
  async *readAll(poolId: string, afterSequence = -1): AsyncGenerator<PoolEventRow, void, undefined> {
    for (let after = BigInt(afterSequence); ;) {
      const rows = await fromStorage(() =>
        prismaOf(this.database).poolEvent.findMany({
          where: { poolId, sequence: { gt: after } },
          orderBy: { sequence: 'asc' },
          take: eventsPerRead,
        }),
      );
      for (const { sequence, at, event } of rows) {
        yield { sequence: Number(sequence), at: instant(Number(at)), event: event as unknown as KernelEvent };
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < eventsPerRead) return;
      after = last.sequence;
    }
  }

  /** The last sequence number in the log; -1 when it is empty. */
  async lastSequence(poolId: string): Promise<number> {
    const { _max } = await fromStorage(() =>
      prismaOf(this.database).poolEvent.aggregate({ where: { poolId }, _max: { sequence: true } }),
    );
    return Number(_max.sequence ?? -1);
  }
}
