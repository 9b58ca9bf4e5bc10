import { PrismaPg } from '@prisma/adapter-pg';
import type { ErrorLogger } from '@holdfast/platform';
import pg from 'pg';
import { PrismaClient } from './generated/client.js';

/** Options of {@link Database}. */
export interface DatabaseOptions {
  /** `postgresql://user:password@host:port/database`. */
  readonly url: string;
  /** Connections at most. Default 10. */
  readonly maxConnections?: number;
  readonly logger: ErrorLogger;
}

/** A server that stopped answering must not hold callers forever. */
const connectTimeoutMillis = 5_000;
const queryTimeoutMillis = 30_000;

let poolOf: (database: Database) => pg.Pool;
let prismaOf: (database: Database) => PrismaClient;

/** The connection to PostgreSQL. Connects on first use; repositories and writers share its pool. */
export class Database {
  readonly #pool: pg.Pool;
  readonly #prisma: PrismaClient;

  static {
    // The driver and the client stay inside this package.
    poolOf = (database: Database): pg.Pool => database.#pool;
    prismaOf = (database: Database): PrismaClient => database.#prisma;
  }

  constructor(options: DatabaseOptions) {
    this.#pool = new pg.Pool({
      connectionString: options.url,
      max: options.maxConnections ?? 10,
      connectionTimeoutMillis: connectTimeoutMillis,
      query_timeout: queryTimeoutMillis,
      keepAlive: true,
      // Queries that nobody waits for one by one go to the server together: a commit then takes two round trips.
      pipeline: true,
      application_name: 'holdfast',
    });
    // A connection that breaks fails its query and is replaced by the pool. Without a listener it would also end the
    // process: the pool listens to idle connections only, so those in use need one too.
    this.#pool.on('error', (err) => options.logger.warn({ err }, 'database connection lost'));
    this.#pool.on('connect', (client) => {
      client.on('error', (err) => options.logger.debug({ err }, 'database connection broke'));
    });
    this.#prisma = new PrismaClient({ adapter: new PrismaPg(this.#pool) });
  }

  /** Resolves when the database answers; rejects when it does not. */
  async ping(): Promise<void> {
    await this.#pool.query('SELECT 1');
  }

  /** Closes all connections once their queries have ended. */
  async close(): Promise<void> {
    await this.#prisma.$disconnect();
    await this.#pool.end();
  }
}

export { poolOf, prismaOf };
