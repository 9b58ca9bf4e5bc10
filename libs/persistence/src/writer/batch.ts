/**
 * A batch of row operations, folded and made into few statements.
 *
 * Invariant: folding keeps the effect of the operations in their order, because each names absolute values of one row:
 * a later save replaces, a later update merges.
 */
import type { TableName } from '../model/rows.js';
import { storableJson } from './storable-json.js';
import { type Column, type Table, tables } from './tables.js';

type Fields = Readonly<Record<string, unknown>>;

/** One row to write: whole (`save`) or some fields of one that exists (`update`). */
export interface RowOperation {
  readonly table: TableName;
  readonly action: 'save' | 'update';
  readonly fields: Fields;
}

/** Whose writes they are. */
export interface LeaseIdentity {
  readonly poolId: string;
  readonly fencingToken: number;
}

/** One SQL statement for many rows. */
export interface Statement {
  readonly table: TableName;
  readonly action: 'save' | 'update';
  readonly sql: string;
  readonly values: readonly unknown[];
  readonly rows: number;
}

/** Pure. The statements of a batch, in the order in which they have to run. */
export function toStatements(operations: readonly RowOperation[], lease: LeaseIdentity): Statement[] {
  const folded = fold(operations);
  return (Object.keys(tables) as TableName[]).flatMap((name) => {
    const rows = [...(folded.get(name)?.values() ?? [])];
    return groupByShape(rows).map((group) => statement(name, group, lease));
  });
}

function fold(operations: readonly RowOperation[]): Map<TableName, Map<string, RowOperation>> {
  const folded = new Map<TableName, Map<string, RowOperation>>();
  for (const operation of operations) {
    const rows = folded.get(operation.table) ?? new Map<string, RowOperation>();
    folded.set(operation.table, rows);
    const keys: readonly string[] = tables[operation.table].keys;
    const fields = storedFields(operation);
    if (operation.action === 'update' && Object.keys(fields).length === keys.length) continue;
    const key = JSON.stringify(keys.map((field) => fields[field]));
    const earlier = rows.get(key);
    const isMerge = operation.action === 'update' && earlier !== undefined;
    rows.set(key, isMerge ? { ...earlier, fields: { ...earlier.fields, ...fields } } : { ...operation, fields });
  }
  return folded;
}

/** What of an operation is stored: `undefined` means "not given", and a field without a column is not the table's. */
const storedFields = ({ table, fields }: RowOperation): Fields =>
  Object.fromEntries(
    Object.entries(fields).filter(
      ([field, value]) => value !== undefined && Object.hasOwn(tables[table].columns, field),
    ),
  );

/** Saves in one group, updates by the set of fields they change: one statement each. Saves come first. */
function groupByShape(rows: readonly RowOperation[]): RowOperation[][] {
  const groups = new Map<string, RowOperation[]>([['save', []]]);
  for (const row of rows) {
    const shape = row.action === 'save' ? 'save' : Object.keys(row.fields).sort().join();
    const group = groups.get(shape);
    if (group) group.push(row);
    else groups.set(shape, [row]);
  }
  return [...groups.values()].filter((group) => group.length > 0);
}

function statement(name: TableName, rows: readonly RowOperation[], lease: LeaseIdentity): Statement {
  const action = rows[0]?.action ?? 'save';
  const table = tables[name] as Table;
  const allColumns = table.columns as Readonly<Record<string, Column>>;
  const fields = action === 'save' ? Object.keys(allColumns) : Object.keys(rows[0]?.fields ?? {});
  const columns = fields.map((field) => [field, columnOf(name, allColumns, field)] as const);
  const encoded = rows.map((row) =>
    Object.fromEntries(columns.map(([field, column]) => [column.name, column.encode(row.fields[field] ?? null)])),
  );
  const record = columns.map(([, column]) => `${quote(column.name)} ${column.sqlType}`).join(', ');
  const source = `json_to_recordset($1::json) AS x(${record})`;
  const keyNames = table.keys.map((field) => columnOf(name, allColumns, field).name);
  const names = columns.map(([, column]) => column.name);
  const sql =
    action === 'save'
      ? saveSql(table, names, keyNames, source)
      : updateSql(table, names, keyNames, `${source} LIMIT ${rows.length}`);
  const values = [storableJson(encoded), ...(table.lease ? [lease.poolId, lease.fencingToken] : [])];
  return { table: name, action, sql, values, rows: rows.length };
}

function columnOf(name: TableName, columns: Readonly<Record<string, Column>>, field: string): Column {
  const column = columns[field];
  if (column) return column;
  throw new TypeError(`${name} has no field ${field}; allowed: ${Object.keys(columns).join(', ')}`);
}

function saveSql(table: Table, names: readonly string[], keys: readonly string[], source: string): string {
  const leaseNames = table.lease ? ['pool_id', 'fencing_token'] : [];
  const leaseValues = table.lease ? ['$2::text', '$3::bigint'] : [];
  const conflict = [...leaseKeys(table), ...keys];
  const changed = names.filter((name) => !keys.includes(name));
  const assignments = changed.map((name) => `${quote(name)} = EXCLUDED.${quote(name)}`).join(', ');
  // An entry of the log belongs to the lease that wrote it: another one may not replace it.
  const guard = table.lease?.fencingToken === 'stored' ? ' WHERE t.fencing_token = EXCLUDED.fencing_token' : '';
  return (
    `INSERT INTO ${quote(table.sqlName)} AS t (${[...leaseNames, ...names].map(quote).join(', ')}) ` +
    `SELECT ${[...leaseValues, ...names.map((name) => `x.${quote(name)}`)].join(', ')} FROM ${source} ` +
    `ON CONFLICT (${conflict.map(quote).join(', ')}) DO UPDATE SET ${assignments}${guard}`
  );
}

/**
 * The rows as a materialised table whose length the planner knows, the lease as columns of it: each row is then found by
 * its whole key. Given the lease as constants and the length that PostgreSQL assumes of a function (100 rows), it reads
 * all rows of the lease, which grow for as long as a service runs.
 */
function updateSql(table: Table, names: readonly string[], keys: readonly string[], source: string): string {
  const leaseNames = table.lease ? ['pool_id', 'fencing_token'] : [];
  const leaseValues = table.lease ? '$2::text AS pool_id, $3::bigint AS fencing_token, ' : '';
  const changed = names.filter((name) => !keys.includes(name));
  const assignments = changed.map((name) => `${quote(name)} = x.${quote(name)}`);
  const matches = [...leaseNames, ...keys].map((name) => `t.${quote(name)} = x.${quote(name)}`);
  return (
    `WITH x AS MATERIALIZED (SELECT ${leaseValues}x.* FROM ${source}) ` +
    `UPDATE ${quote(table.sqlName)} AS t SET ${assignments.join(', ')} FROM x WHERE ${matches.join(' AND ')}`
  );
}

const leaseKeys = (table: Table): string[] => {
  if (!table.lease) return [];
  return table.lease.fencingToken === 'key' ? ['pool_id', 'fencing_token'] : ['pool_id'];
};

const quote = (name: string): string => `"${name}"`;
