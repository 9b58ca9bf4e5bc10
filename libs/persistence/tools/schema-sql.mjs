// The SQL that Prisma's schema engine makes of prisma/schema.prisma, offline: `node libs/persistence/tools/schema-sql.mjs`.
//
// A new migration is written by hand from the difference of two such outputs, and a spec compares the database that
// the migrations make with the one that this SQL makes. The engine is the WebAssembly build; nothing is connected to.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ColumnTypeEnum, bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';

const schemaFile = fileURLToPath(new URL('../../../prisma/schema.prisma', import.meta.url));

/** SQL that creates the schema in an empty database. */
export async function schemaSql() {
  const { SchemaEngine } = await loadEngine();
  const content = await readFile(schemaFile, 'utf8');
  const adapter = bindMigrationAwareSqlAdapterFactory(unconnected);
  const engine = await SchemaEngine.new({ datamodels: [[schemaFile, content]] }, () => undefined, adapter);
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'empty' },
      to: { tag: 'schemaDatamodel', files: [{ path: schemaFile, content }] },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    });
    return stdout;
  } finally {
    engine.free();
  }
}

const refuse = (query) =>
  Promise.reject(
    new Error(`a difference of two schemas needs no database, but the engine asked: ${query?.sql ?? query}`),
  );

/** The engine wants a database to stand behind it, and asks only for its version: the one that we ship. */
const identity = { adapterName: '@prisma/adapter-pg', provider: 'postgres' };
const serverVersion = {
  columnNames: ['exists', 'version', 'numeric_version'],
  columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
  rows: [[true, 'PostgreSQL 18.4', 180_004]],
};
const connection = {
  ...identity,
  queryRaw: (query) => (query.sql.includes('server_version_num') ? Promise.resolve(serverVersion) : refuse(query)),
  executeRaw: refuse,
  executeScript: refuse,
  startTransaction: refuse,
  getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: false }),
  dispose: async () => undefined,
};
const unconnected = { ...identity, connect: async () => connection, connectToShadowDb: async () => connection };

/** The package expects a bundler to load its WebAssembly; Node does it by hand. */
async function loadEngine() {
  const directory = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const bindings = await import(pathToFileURL(join(directory, 'schema_engine_bg.js')).href);
  const bytes = await readFile(join(directory, 'schema_engine_bg.wasm'));
  const { instance } = await globalThis.WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(await schemaSql());
