/** Where the queue lives: PostgreSQL or Redis, behind BullMQ's own port. */
import type { ErrorLogger } from '@holdfast/platform';
import {
  createPostgresBackend,
  createRedisBackend,
  type Job,
  type PgPool,
  Queue,
  type QueueOptions,
  runMigrations,
  Worker,
  type WorkerOptions,
} from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';

/** The store of a queue. */
export type JobStore =
  | { readonly kind: 'postgres'; /** `postgresql://user:password@host:port/database` */ readonly url: string }
  | { readonly kind: 'redis'; /** `redis://host:port` */ readonly url: string };

/** The parts of BullMQ's queue that both stores have. */
export type BullQueue = Pick<
  Queue,
  | 'add'
  | 'getJob'
  | 'getJobState'
  | 'getJobs'
  | 'getJobCounts'
  | 'upsertJobScheduler'
  | 'getJobSchedulers'
  | 'removeJobScheduler'
  | 'waitUntilReady'
  | 'close'
> & { on(event: 'error', listener: (err: Error) => void): unknown };

/** The parts of BullMQ's worker that both stores have. */
export type BullWorker = Pick<Worker, 'on' | 'close' | 'waitUntilReady'>;

/** Makes queues and workers on one store. */
export interface JobBackend {
  queue(name: string): BullQueue;
  worker(name: string, process: (job: Job) => Promise<unknown>, options: Omit<WorkerOptions, 'connection'>): BullWorker;
  /** Closes the connections, once queues and workers are closed. */
  close(): Promise<void>;
}

/** A store that stopped answering must not hold callers for ever. */
const CONNECT_TIMEOUT_MS = 15_000;
const QUERY_TIMEOUT_MS = 30_000;
/** Three for queries, and one in which each of at most three workers listens. */
const POSTGRES_CONNECTIONS = 6;
const SCHEMA = 'bullmq';
const REDIS_PREFIX = 'holdfast';
/** Events that BullMQ keeps for listeners; nobody here listens. */
const KEPT_EVENTS = { events: { maxLen: 1_000 } };

/** Connects, and brings the tables of the queue up to date where the store is PostgreSQL. */
export const openJobBackend = (store: JobStore, logger: ErrorLogger): Promise<JobBackend> =>
  store.kind === 'postgres' ? openPostgres(store.url, logger) : openRedis(store.url, logger);

const openPostgres = async (url: string, logger: ErrorLogger): Promise<JobBackend> => {
  const pool = new pg.Pool({
    connectionString: url,
    max: POSTGRES_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'holdfast-jobs',
    // BullMQ takes a pool as it is: its tables have to be on the path already.
    options: `-c search_path=${SCHEMA}`,
  });
  pool.on('error', (err) => logger.warn({ err }, 'connection of the job queue lost'));
  pool.on('connect', (client) => {
    client.on('error', (err) => logger.debug({ err }, 'connection of the job queue broke'));
  });
  try {
    await migrate(pool);
  } catch (error) {
    await pool.end();
    throw error;
  }
  return onPool(pool);
};

/** Queues and workers on a pool whose errors somebody else hears, and whose tables are there. Closes it in the end. */
export const onPool = (pool: pg.Pool): JobBackend => {
  // The types of the driver and of BullMQ's idea of it differ, the objects do not.
  const connection = pool as unknown as PgPool;
  return {
    queue: (name) =>
      unheard(
        pool,
        () => new Queue(name, { connection, streams: KEPT_EVENTS }, createPostgresBackend) as unknown as BullQueue,
      ),
    worker: (name, process, options) =>
      unheard(
        pool,
        () => new Worker(name, process, { ...options, connection }, createPostgresBackend) as unknown as BullWorker,
      ),
    close: () => pool.end(),
  };
};

/**
 * Modifies the pool: takes away what BullMQ listens to it with. Its queues and workers never do so when they are closed,
 * and would stay in memory for as long as the pool lives. Whoever opened the pool hears its errors.
 */
const unheard = <Made>(pool: pg.Pool, make: () => Made): Made => {
  const before = pool.listeners('error');
  const made = make();
  for (const listener of pool.listeners('error')) {
    if (!before.includes(listener)) pool.off('error', listener as (err: Error) => void);
  }
  return made;
};

const migrate = async (pool: pg.Pool): Promise<void> => {
  const client = await pool.connect();
  try {
    await runMigrations(client, SCHEMA);
  } finally {
    client.release();
  }
};

const openRedis = async (url: string, logger: ErrorLogger): Promise<JobBackend> => {
  const connect = (options: { readonly maxRetriesPerRequest: number | null }): Redis => {
    const redis = new Redis(url, { ...options, connectTimeout: CONNECT_TIMEOUT_MS, lazyConnect: true });
    redis.on('error', (err) => logger.warn({ err }, 'connection of the job queue lost'));
    return redis;
  };
  // Callers of the queue get an error when Redis is away; workers wait for it, as BullMQ wants them to.
  const forQueues = connect({ maxRetriesPerRequest: 3 });
  const forWorkers = connect({ maxRetriesPerRequest: null });
  try {
    await Promise.all([forQueues.connect(), forWorkers.connect()]);
  } catch (error) {
    forQueues.disconnect();
    forWorkers.disconnect();
    throw error;
  }
  const shared = { prefix: REDIS_PREFIX } satisfies Partial<QueueOptions>;
  return {
    queue: (name) => new Queue(name, { ...shared, connection: forQueues, streams: KEPT_EVENTS }, createRedisBackend),
    worker: (name, process, options) =>
      new Worker(name, process, { ...options, ...shared, connection: forWorkers }, createRedisBackend),
    close: async () => {
      await Promise.all([forQueues.quit(), forWorkers.quit()]);
    },
  };
};
