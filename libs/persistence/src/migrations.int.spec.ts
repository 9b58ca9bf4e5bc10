import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, startPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { schemaSql } from '../tools/schema-sql.mjs';
import { Database } from './database.js';
import { applyMigrations } from './migrations.js';
import { listLogger, runSql } from './storage.fixture.js';
import { tables } from './writer/tables.js';

let postgres: EmbeddedPostgres;
let folder: string;
const open: Database[] = [];

async function emptyDatabase(name: string): Promise<{ url: string; database: Database }> {
  await runSql(postgres.url, `CREATE DATABASE ${name}`);
  const url = postgres.url.replace(/\/postgres$/, `/${name}`);
  const database = new Database({ url, logger: listLogger() });
  open.push(database);
  return { url, database };
}

async function migration(directory: string, name: string, sql: string): Promise<void> {
  await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, name, 'migration.sql'), sql);
}

/** Columns, indexes, constraints and enums of a database, as text. */
async function catalogOf(url: string): Promise<string[]> {
  const rows = await runSql<{ line: string }>(
    url,
    `SELECT line FROM (
       SELECT format('column %s.%s %s %s null=%s default=%s', table_name, column_name, udt_name,
                     datetime_precision, is_nullable, column_default) AS line
         FROM information_schema.columns WHERE table_schema = 'public'
       UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
       UNION ALL SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
                  WHERE connamespace = 'public'::regnamespace
       UNION ALL SELECT format('enum %s %s %s', typname, enumsortorder, enumlabel)
                   FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
     ) AS lines WHERE line NOT LIKE '%_prisma_migrations%' ORDER BY line`,
  );
  return rows.map((row) => row.line);
}

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  folder = await mkdtemp(join(tmpdir(), 'holdfast-migrations-'));
});

afterAll(async () => {
  await Promise.all(open.map((database) => database.close()));
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('applyMigrations', () => {
  it('makes exactly the database that schema.prisma describes', async () => {
    const migrated = await emptyDatabase('migrated');
    await applyMigrations(migrated.database);
    const described = await emptyDatabase('described');
    await runSql(described.url, await schemaSql());
    const catalog = await catalogOf(migrated.url);
    expect(catalog.length).toBeGreaterThan(80);
    expect(catalog).toEqual(await catalogOf(described.url));
  });

  it('makes every column that the writer names, with its type', async () => {
    const { url, database } = await emptyDatabase('columns');
    await applyMigrations(database);
    const rows = await runSql<{ table: string; column: string; type: string }>(
      url,
      `SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) AS type
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0`,
    );
    const stored = (table: string): string[] =>
      rows.filter((row) => row.table === table).map((row) => `${row.column} ${row.type}`);
    for (const table of Object.values(tables)) {
      const named = Object.values(table.columns).map(({ name, sqlType }) => `${name} ${sqlType}`);
      if (table.lease) named.push('pool_id text', 'fencing_token bigint');
      expect(named.sort()).toEqual(stored(table.sqlName).sort());
    }
  });

  it('does nothing the second time', async () => {
    const { database } = await emptyDatabase('twice');
    const first = await applyMigrations(database);
    expect(first.applied).toContain('20261124000000_init');
    expect(await applyMigrations(database)).toEqual({ applied: [], present: first.applied });
  });

  it('applies each migration once when several processes start together', async () => {
    const { database, url } = await emptyDatabase('together');
    const results = await Promise.all([1, 2, 3].map(() => applyMigrations(database)));
    expect(results.filter((result) => result.applied.length > 0)).toHaveLength(1);
    const [applied] = results.map((result) => result.applied).filter((names) => names.length > 0);
    expect(await runSql(url, 'SELECT count(*)::int AS rows FROM _prisma_migrations')).toEqual([
      { rows: applied?.length },
    ]);
  });

  it('refuses a migration that was changed after it was applied', async () => {
    const { database } = await emptyDatabase('changed');
    const directory = join(folder, 'changed');
    await migration(directory, '1_first', 'CREATE TABLE one (id int)');
    await applyMigrations(database, directory);
    await migration(directory, '1_first', 'CREATE TABLE one (id bigint)');
    await expect(applyMigrations(database, directory)).rejects.toThrow('1_first was changed after it was applied');
  });

  it('refuses a database that is newer than the program', async () => {
    const { database } = await emptyDatabase('newer');
    const directory = join(folder, 'newer');
    await migration(directory, '1_first', 'CREATE TABLE one (id int)');
    await applyMigrations(database, directory);
    await rm(join(directory, '1_first'), { recursive: true });
    await expect(applyMigrations(database, directory)).rejects.toThrow('this version lacks');
  });

  it('leaves no trace of a migration that fails, names it, and goes on once it is mended', async () => {
    const { database, url } = await emptyDatabase('failing');
    const directory = join(folder, 'failing');
    await migration(directory, '1_first', 'CREATE TABLE one (id int); CREATE TABLE one (id int)');
    await expect(applyMigrations(database, directory)).rejects.toThrow('migration 1_first failed');
    expect(await runSql(url, `SELECT to_regclass('one') AS found`)).toEqual([{ found: null }]);
    await migration(directory, '1_first', 'CREATE TABLE one (id int)');
    expect((await applyMigrations(database, directory)).applied).toEqual(['1_first']);
  });
});
