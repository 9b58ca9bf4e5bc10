/**
 * Applies `prisma/migrations/<name>/migration.sql` in the order of their names, each in a transaction, and keeps
 * Prisma's own table of what was applied. Processes that start together take turns by Prisma's advisory lock.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type pg from 'pg';
import { type Database, poolOf } from './database.js';
import { fromStorage } from './storage-errors.js';

/** What {@link applyMigrations} did. */
export interface AppliedMigrations {
  /** Applied now. */
  readonly applied: readonly string[];
  /** Applied before. */
  readonly present: readonly string[];
}

interface Migration {
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file, as Prisma computes it. */
  readonly checksum: string;
}

const advisoryLock = 72_707_369;
// `src` and `dist` lie at the same depth.
const defaultDirectory = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

const createHistory = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    finished_at TIMESTAMPTZ,
    migration_name VARCHAR(255) NOT NULL,
    logs TEXT,
    rolled_back_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`;

/**
 * Brings the database to the newest schema. Running it again does nothing.
 *
 * @throws Error when a migration that was applied has changed since, or is unknown to this version.
 */
export function applyMigrations(database: Database, directory = defaultDirectory): Promise<AppliedMigrations> {
  return fromStorage(async () => {
    const migrations = await readMigrations(directory);
    const client = await poolOf(database).connect();
    try {
      await client.query('SELECT pg_advisory_lock($1)', [advisoryLock]);
      await client.query(createHistory);
      return await applyMissing(client, migrations);
    } finally {
      // Closing the connection frees the lock whatever happened.
      client.release(true);
    }
  });
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const read = async (name: string): Promise<Migration> => {
    const sql = await readFile(join(directory, name, 'migration.sql'), 'utf8');
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  };
  return Promise.all(names.sort().map(read));
}

async function applyMissing(client: pg.PoolClient, migrations: readonly Migration[]): Promise<AppliedMigrations> {
  const { rows } = await client.query<{ migration_name: string; checksum: string }>(
    'SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
  );
  const done = new Map(rows.map((row) => [row.migration_name, row.checksum]));
  requireUnchanged(migrations, done);
  const missing = migrations.filter((migration) => !done.has(migration.name));
  for (const migration of missing) await applyOne(client, migration);
  return { applied: missing.map((migration) => migration.name), present: [...done.keys()].sort() };
}

function requireUnchanged(migrations: readonly Migration[], done: ReadonlyMap<string, string>): void {
  const known = new Map(migrations.map((migration) => [migration.name, migration.checksum]));
  for (const [name, checksum] of done) {
    const current = known.get(name);
    if (current === undefined) {
      throw new Error(`the database has migration ${name}, which this version lacks: it is newer than the program`);
    }
    if (current !== checksum) {
      throw new Error(`migration ${name} was changed after it was applied; allowed: a new migration beside it`);
    }
  }
}

async function applyOne(client: pg.PoolClient, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, clock_timestamp(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new Error(`migration ${name} failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
