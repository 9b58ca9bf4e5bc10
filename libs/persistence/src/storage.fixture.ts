/** A real database for specs, and rows to put in. */
import { type EmbeddedPostgres, type ErrorLogger, startPostgres } from '@holdfast/platform';
import { instant, micros, seconds } from '@holdfast/scheduling';
import pg from 'pg';
import { Database } from './database.js';
import { applyMigrations } from './migrations.js';
import type { ProgramRow, TurnRow } from './model/rows.js';
import { PoolLeaseStore } from './pool-lease-store.js';
import { WriteBehind, type WriteBehindOptions } from './writer/write-behind.js';

/** One line that was logged. */
export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** A logger that keeps its lines. */
export function listLogger(lines: LogLine[] = []): ErrorLogger {
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A server with an empty database of the newest schema. */
export interface Storage {
  readonly postgres: EmbeddedPostgres;
  readonly database: Database;
  readonly lines: LogLine[];
  /** Runs SQL on a connection of its own. */
  readonly sql: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;
  /** A writer with a fresh lease of the pool. */
  readonly writer: (poolId: string, options?: Partial<WriteBehindOptions>) => Promise<WriteBehind>;
  readonly close: () => Promise<void>;
}

export async function startStorage(): Promise<Storage> {
  const postgres = await startPostgres({ durable: false });
  const lines: LogLine[] = [];
  const logger = listLogger(lines);
  const database = new Database({ url: postgres.url, logger });
  await applyMigrations(database);
  return {
    postgres,
    database,
    lines,
    sql: (text, values) => runSql(postgres.url, text, values),
    writer: async (poolId, options = {}) => {
      const attempt = await new PoolLeaseStore(database).acquire(poolId, 'spec', seconds(60));
      if (!attempt.acquired) throw new Error(`pool ${poolId} is held by ${attempt.heldBy}`);
      return new WriteBehind({ database, logger, poolId, fencingToken: attempt.lease.fencingToken, ...options });
    },
    close: async () => {
      await database.close();
      await postgres.stop();
    },
  };
}

export async function runSql<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

export const programRow = (changes: Partial<ProgramRow> & Pick<ProgramRow, 'programId'>): ProgramRow => ({
  poolId: 'pool',
  tenantId: 'default',
  name: 'fix issue 412',
  model: 'smollm2',
  programClass: 'swe-agent',
  state: 'idle',
  idleLimit: micros(600_000_000),
  startedAt: instant(1_700_000_000_123_456),
  lastActiveAt: instant(1_700_000_000_123_456),
  turnsFinished: 0,
  priority: 0,
  toolCallsEnded: 0,
  contextTokens: 0,
  promptTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  recomputedTokens: 0,
  ...changes,
});

export const turnRow = (changes: Partial<TurnRow> & Pick<TurnRow, 'turnId' | 'programId'>): TurnRow => ({
  ordinal: 0,
  requestId: `request of ${changes.turnId}`,
  bodyDigest: Uint8Array.of(1, 2, 3),
  state: 'submitted',
  inputKind: 'append',
  isLast: false,
  keepTokens: 0,
  appendedIds: Uint32Array.of(1, 2, 3),
  promptTokens: 3,
  submittedAt: instant(1_700_000_001_000_001),
  ...changes,
});
