import {
  applyMigrations,
  Database,
  EventRepository,
  PoolLeaseStore,
  ProgramRepository,
  RequestRepository,
  TurnRepository,
  WriteBehind,
} from '@holdfast/persistence';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import type { Logger } from 'pino';
import { hostname } from 'node:os';
import { Journal } from './journal.js';
import { LeaseKeeper } from './lease-keeper.js';

/** What storage is opened with. */
export interface StorageOptions {
  readonly poolId: string;
  /** PostgreSQL to use; undefined starts the embedded one. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly logger: Logger;
}

/** The database, the pool's lease, and what reads and writes. */
export interface Storage {
  readonly database: Database;
  /** Where the database is, for the job queue beside it. */
  readonly url: string;
  readonly journal: Journal;
  readonly writer: WriteBehind;
  readonly lease: LeaseKeeper;
  readonly programs: ProgramRepository;
  readonly turns: TurnRepository;
  readonly requests: RequestRepository;
  readonly postgres: EmbeddedPostgres | null;
  /** Resolves when nothing more can be written: the lease went to another replica, or the database refused a batch. */
  readonly stopped: Promise<Error>;
}

/** Starts PostgreSQL if need be, brings the schema up to date, and takes the pool. Undoes what it did when it fails. */
export const openStorage = async (options: StorageOptions): Promise<Storage> => {
  const { databaseUrl, dataDir, logger } = options;
  const postgres = databaseUrl === undefined ? await startPostgres({ dataDir, durable: true }) : null;
  if (postgres !== null) logger.info({ dataDir: postgres.dataDir, port: postgres.port }, 'embedded PostgreSQL started');
  const url = databaseUrl ?? (postgres as EmbeddedPostgres).url;
  const database = new Database({ url, logger });
  try {
    return await takePool(options, { postgres, database, url });
  } catch (error) {
    await database.close();
    await postgres?.stop();
    throw error;
  }
};

const takePool = async (
  { poolId, databaseUrl, logger }: StorageOptions,
  { postgres, database, url }: Pick<Storage, 'postgres' | 'database' | 'url'>,
): Promise<Storage> => {
  let onStopped: (error: Error) => void = () => undefined;
  const stopped = new Promise<Error>((resolve) => {
    onStopped = resolve;
  });
  const { applied } = await applyMigrations(database);
  if (applied.length > 0) logger.info({ applied }, 'database schema updated');
  const lease = await LeaseKeeper.acquire({
    store: new PoolLeaseStore(database),
    poolId,
    // The embedded database has one service at a time, so its owner of before is gone and need not be waited for.
    owner: databaseUrl === undefined ? 'embedded' : `${hostname()}:${process.pid}`,
    logger,
    onLost: () => onStopped(new Error(`another replica schedules pool ${poolId} now`)),
  });
  try {
    const { fencingToken } = lease;
    const writer = new WriteBehind({ database, poolId, fencingToken, logger, onStopped });
    const nextSequence = (await new EventRepository(database).lastSequence(poolId)) + 1;
    return {
      database,
      url,
      postgres,
      stopped,
      lease,
      writer,
      journal: new Journal({ writer, poolId, nextSequence }),
      programs: new ProgramRepository(database),
      turns: new TurnRepository(database),
      requests: new RequestRepository(database),
    };
  } catch (error) {
    await lease.release();
    throw error;
  }
};
