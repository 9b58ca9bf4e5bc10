#!/usr/bin/env node
/**
 * Writes what the database holds of a pool: `PREFIX.events.jsonl`, a header with the kernel's options and then each
 * `{ now, event }`, and `PREFIX.decisions.jsonl`. A fresh kernel of these options makes these decisions of these events.
 *
 * Configured like the service (HOLDFAST_POOL, HOLDFAST_POLICY, DATABASE_URL, ...), with the values of the service whose
 * log it is. The log must be that of one life of the service.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Database, DecisionRepository, EventRepository, type StoredDecision } from '@holdfast/persistence';
import pino from 'pino';
import { readConfig, type Config } from './config/config.js';

const DECISIONS_PER_PAGE = 1_000;

const [prefix, ...rest] = process.argv.slice(2);

const exportLog = async (config: Config, file: (kind: string) => string): Promise<void> => {
  const { DATABASE_URL: url, HOLDFAST_POOL: poolId } = config;
  if (url === undefined)
    throw new Error('DATABASE_URL is (not set); allowed: postgresql://user:password@host:port/database');
  const database = new Database({ url, logger: pino({ level: 'warn' }, pino.destination(2)) });
  try {
    const decisions = await decisionsOf(database, poolId);
    const tokens = [...new Set(decisions.map(({ fencingToken }) => fencingToken))];
    const [fencingToken] = tokens;
    if (fencingToken === undefined || tokens.length > 1) {
      throw new Error(`the log of pool ${poolId} holds the decisions of ${tokens.length} kernels; allowed: one`);
    }
    await pipeline(Readable.from(eventLines(database, config, fencingToken)), createWriteStream(file('events')));
    const lines = decisions.map(
      ({ poolId: _pool, fencingToken: _token, ...decision }) => `${JSON.stringify(decision)}\n`,
    );
    await pipeline(Readable.from(lines), createWriteStream(file('decisions')));
  } finally {
    await database.close();
  }
};

async function* eventLines(database: Database, config: Config, fencingToken: number): AsyncGenerator<string> {
  const kernel = {
    policy: config.HOLDFAST_POLICY.name,
    fencingToken,
    dispatchWindow: config.HOLDFAST_DISPATCH_WINDOW,
    maxQueuedTurns: config.HOLDFAST_MAX_QUEUED_TURNS,
  };
  yield `${JSON.stringify({ schema: 'holdfast.events/v1', kernel })}\n`;
  for await (const { at, event } of new EventRepository(database).readAll(config.HOLDFAST_POOL)) {
    yield `${JSON.stringify({ now: at, event })}\n`;
  }
}

/** In the order of their making. */
const decisionsOf = async (database: Database, poolId: string): Promise<StoredDecision[]> => {
  const repository = new DecisionRepository(database);
  const decisions: StoredDecision[] = [];
  for await (const { event } of new EventRepository(database).readAll(poolId)) {
    if (event.type !== 'programStarted') continue;
    for (let pageToken = ''; ;) {
      const page = await repository.listByProgram(event.programId, { pageSize: DECISIONS_PER_PAGE, pageToken });
      decisions.push(...page.items.filter((decision) => decision.poolId === poolId));
      if (page.nextPageToken === undefined || page.nextPageToken === '') break;
      pageToken = page.nextPageToken;
    }
  }
  return decisions.sort((a, b) => a.decisionId - b.decisionId);
};

if (prefix === undefined || rest.length > 0) {
  process.stderr.write('usage: node apps/control-plane/dist/export-log.js PREFIX\n');
  process.exit(2);
}
try {
  await exportLog(readConfig(process.env), (kind) => `${prefix}.${kind}.jsonl`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
