/**
 * Group commits behind the decision path.
 *
 * Job: take row operations synchronously, write them in order, many in one transaction, and survive a database that is
 * away for a while. Boundary: what the operations mean is the caller's; rows must not change after they were handed in.
 *
 * Invariants: operations are committed in the order given, each exactly once in effect; after a stale fencing token or
 * a refused batch nothing is written any more; memory is bounded (`isSaturated`, then an error).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DomainError, type ErrorLogger } from '@holdfast/platform';
import { type Duration, millis, toMillisCeil } from '@holdfast/scheduling';
import { type Database, poolOf } from '../database.js';
import type { RowChanges, Rows, TableName } from '../model/rows.js';
import { isOutage, storageUnavailable } from '../storage-errors.js';
import { type LeaseIdentity, type RowOperation, toStatements } from './batch.js';
import { type CommitResult, commitBatch } from './commit.js';
import { approximateBytes } from './storable-json.js';

/** Options of {@link WriteBehind}. */
export interface WriteBehindOptions extends LeaseIdentity {
  readonly database: Database;
  readonly logger: ErrorLogger;
  /** Operations from which on `isSaturated` holds; at four times as many, operations are refused. Default 20,000. */
  readonly softLimit?: number;
  /** Bytes (as JSON, roughly) from which on `isSaturated` holds; refused at four times as many. Default 64 MiB. */
  readonly softLimitBytes?: number;
  /** Operations in one transaction at most; encoding them blocks the event loop. Default 500. */
  readonly maxBatch?: number;
  /**
   * How long operations gather before a commit that nobody waits for. A commit costs the event loop about as much as a
   * turn: gathering keeps it out of the turn that caused it, and makes it one for several turns. Default 20 ms.
   */
  readonly gatherFor?: Duration;
  /** Called once when the writer stops for good: LeaseLostError, or what the database refused. */
  readonly onStopped?: (error: Error) => void;
}

/** Counters since the start. */
export interface WriteBehindStats {
  readonly operationsCommitted: number;
  readonly batchesCommitted: number;
  readonly retries: number;
  /** Updates whose row was gone. */
  readonly missingRows: number;
}

interface QueuedOperation extends RowOperation {
  readonly bytes: number;
}

interface Waiter {
  /** Operations that have to be committed. */
  readonly target: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const hardLimitFactor = 4;
const maxBatchBytes = 16 * 2 ** 20;
const firstRetryMillis = 50;
const longestRetryMillis = 2_000;

/** Writes a pool's rows behind the scheduler's back. One per pool and lease. */
export class WriteBehind {
  private readonly options: Required<Omit<WriteBehindOptions, 'onStopped'>> & Pick<WriteBehindOptions, 'onStopped'>;
  private queue: QueuedOperation[] = [];
  private queuedBytes = 0;
  private accepted = 0;
  private committed = 0;
  private batches = 0;
  private retries = 0;
  private missingRows = 0;
  private waiters: Waiter[] = [];
  private isRunning = false;
  private gathering: NodeJS.Timeout | undefined;
  private isClosing = false;
  private stopError: Error | undefined;
  private readonly abort = new AbortController();

  constructor(options: WriteBehindOptions) {
    this.options = {
      softLimit: 20_000,
      softLimitBytes: 64 * 2 ** 20,
      maxBatch: 500,
      gatherFor: millis(20),
      ...options,
    };
  }

  /**
   * Writes a whole row, new or not. Never waits. Modifies state.
   *
   * @throws the error that stopped the writer; DomainError QUEUE_FULL far beyond saturation.
   */
  save<Table extends TableName>(table: Table, row: Rows[Table]): void {
    this.enqueue({ table, action: 'save', fields: row as unknown as RowOperation['fields'] });
  }

  /** Writes some fields of a row that was saved before; absent fields stay. Otherwise like {@link save}. */
  update<Table extends TableName>(table: Table, changes: RowChanges<Table>): void {
    this.enqueue({ table, action: 'update', fields: changes as unknown as RowOperation['fields'] });
  }

  /** Operations that are not committed yet. Pure. */
  get depth(): number {
    return this.accepted - this.committed;
  }

  /** True when the edge should take no new work: answer RESOURCE_EXHAUSTED. Pure. */
  get isSaturated(): boolean {
    return this.depth >= this.options.softLimit || this.queuedBytes >= this.options.softLimitBytes;
  }

  /** Why the writer stopped, if it did. Pure. */
  get failure(): Error | undefined {
    return this.stopError;
  }

  /** Pure. */
  get stats(): WriteBehindStats {
    const { committed, batches, retries, missingRows } = this;
    return { operationsCommitted: committed, batchesCommitted: batches, retries, missingRows };
  }

  /**
   * Resolves when everything handed in before the call is durable.
   *
   * @throws DomainError STORAGE_UNAVAILABLE when that takes longer than `timeout`; what stopped the writer.
   */
  async flush(timeout: Duration = millis(30_000)): Promise<void> {
    if (this.stopError) throw this.stopError;
    if (this.depth === 0) return;
    let timer: NodeJS.Timeout | undefined;
    let waiter: Waiter | undefined;
    const committed = new Promise<void>((resolve, reject) => {
      waiter = { target: this.accepted, resolve, reject };
      this.waiters.push(waiter);
      const onTimeout = (): void =>
        reject(storageUnavailable(`${this.depth} writes are not durable after ${toMillisCeil(timeout)} ms`));
      timer = setTimeout(onTimeout, toMillisCeil(timeout));
    });
    this.drainNow();
    try {
      await committed;
    } finally {
      clearTimeout(timer);
      this.waiters = this.waiters.filter((other) => other !== waiter);
    }
  }

  /**
   * Takes nothing more, writes what it has and stops. Modifies state.
   *
   * @throws DomainError STORAGE_UNAVAILABLE when that takes longer than `timeout`: the rest is given up.
   */
  async close(timeout: Duration = millis(10_000)): Promise<void> {
    this.isClosing = true;
    try {
      await this.flush(timeout);
    } finally {
      this.abort.abort(storageUnavailable('the writer was closed'));
    }
  }

  private enqueue(operation: RowOperation): void {
    if (this.stopError) throw this.stopError;
    if (this.isClosing) throw closedError(operation);
    const { softLimit, softLimitBytes } = this.options;
    if (this.depth >= hardLimitFactor * softLimit || this.queuedBytes >= hardLimitFactor * softLimitBytes) {
      throw queueFull(this.depth, hardLimitFactor * softLimit);
    }
    const bytes = approximateBytes(operation.fields);
    this.queue.push({ ...operation, bytes });
    this.queuedBytes += bytes;
    this.accepted += 1;
    if (this.waiters.length > 0 || this.queue.length >= this.options.maxBatch) this.drainNow();
    else if (!this.isRunning) this.gather();
  }

  private gather(): void {
    this.gathering ??= setTimeout(() => this.drainNow(), toMillisCeil(this.options.gatherFor));
  }

  private drainNow(): void {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    if (this.isRunning) return;
    this.isRunning = true;
    // The rest of the current turn of the event loop joins the batch.
    setImmediate(() => void this.drain());
  }

  /** Never rejects: a failure stops the writer and goes to `flush`, `save` and `onStopped`. */
  private async drain(): Promise<void> {
    try {
      do {
        const batch = this.takeBatch();
        const { missingRows } = await this.commitUntilDone(batch);
        this.onCommitted(batch, missingRows);
      } while (this.queue.length > 0 && (this.waiters.length > 0 || this.queue.length >= this.options.maxBatch));
    } catch (error) {
      this.stop(error as Error);
    } finally {
      this.isRunning = false;
    }
    if (this.queue.length > 0) this.gather();
  }

  private takeBatch(): QueuedOperation[] {
    let count = 0;
    let bytes = 0;
    for (const operation of this.queue) {
      if (count === this.options.maxBatch || (count > 0 && bytes + operation.bytes > maxBatchBytes)) break;
      count += 1;
      bytes += operation.bytes;
    }
    return this.queue.splice(0, count);
  }

  /** Tries again while the database is away, with growing pauses; a batch has no further effect the second time. */
  private async commitUntilDone(batch: readonly RowOperation[]): Promise<CommitResult> {
    const { database, poolId, fencingToken, logger } = this.options;
    const statements = toStatements(batch, { poolId, fencingToken });
    for (let attempt = 0; ; attempt++) {
      try {
        return await commitBatch(poolOf(database), { poolId, fencingToken }, statements);
      } catch (err) {
        if (!isOutage(err) || this.abort.signal.aborted) throw err;
        this.retries += 1;
        const pauseMillis = Math.min(firstRetryMillis * 2 ** attempt, longestRetryMillis) * (0.5 + Math.random() / 2);
        logger.warn({ err, poolId, attempt, depth: this.depth, pauseMillis }, 'database away; writes wait');
        await sleep(pauseMillis, undefined, { signal: this.abort.signal });
      }
    }
  }

  private onCommitted(batch: readonly QueuedOperation[], missingRows: number): void {
    this.committed += batch.length;
    this.batches += 1;
    this.missingRows += missingRows;
    for (const { bytes } of batch) this.queuedBytes -= bytes;
    if (missingRows > 0) {
      this.options.logger.warn({ poolId: this.options.poolId, missingRows }, 'updates of rows that are gone');
    }
    for (const waiter of this.waiters) if (waiter.target <= this.committed) waiter.resolve();
  }

  private stop(error: Error): void {
    this.stopError = error;
    this.queue = [];
    const { poolId, logger } = this.options;
    // A closed writer gave up on purpose, and its `close` said so.
    if (!this.isClosing) logger.error({ err: error, poolId, lost: this.depth }, 'writer stopped');
    for (const waiter of this.waiters) waiter.reject(error);
    this.options.onStopped?.(error);
  }
}

function queueFull(depth: number, limit: number): DomainError {
  const message = `${depth} writes wait for the database; allowed: ${limit}`;
  return new DomainError({ kind: 'exhausted', reason: 'QUEUE_FULL', message, retryAfter: millis(1_000) });
}

function closedError(operation: RowOperation): DomainError {
  const message = `the writer is closed and takes no ${operation.action} of ${operation.table}`;
  return new DomainError({ kind: 'unavailable', reason: 'DRAINING', message });
}
