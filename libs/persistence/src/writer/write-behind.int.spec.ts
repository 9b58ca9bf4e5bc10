import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EmbeddedPostgres, startPostgres } from '@holdfast/platform';
import { type KernelEvent, instant, millis, seconds } from '@holdfast/scheduling';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { Database } from '../database.js';
import { applyMigrations } from '../migrations.js';
import { tokenIdsToBytes } from '../model/token-ids.js';
import { PoolLeaseStore } from '../pool-lease-store.js';
import { EventRepository } from '../repositories/event-repository.js';
import { ProgramRepository } from '../repositories/program-repository.js';
import { TurnRepository } from '../repositories/turn-repository.js';
import { LeaseLostError } from '../storage-errors.js';
import { type LogLine, type Storage, listLogger, programRow, startStorage, turnRow } from '../storage.fixture.js';
import { WriteBehind } from './write-behind.js';

let storage: Storage;

beforeAll(async () => {
  storage = await startStorage();
});
afterAll(() => storage.close());
afterEach(() => storage.sql('TRUNCATE program, pin, decision, pool_event, request, pool_lease CASCADE'));

const event: KernelEvent = { type: 'timerFired', key: 'dispatch' };
const at = instant(1_700_000_000_000_000);

describe('WriteBehind', () => {
  it('makes what was handed in durable by flush, and nothing is left to write', async () => {
    const writer = await storage.writer('pool');
    writer.save('program', programRow({ programId: 'p' }));
    expect(writer.depth).toBe(1);
    await writer.flush();
    expect(writer.depth).toBe(0);
    expect(await new ProgramRepository(storage.database).get('p')).toMatchObject({ programId: 'p', state: 'idle' });
  });

  it('writes hundreds of operations handed in together in one transaction', async () => {
    const writer = await storage.writer('pool');
    for (let i = 0; i < 400; i++) writer.save('poolEvent', { sequence: i, at, event });
    await writer.flush();
    expect(writer.stats).toMatchObject({ operationsCommitted: 400, batchesCommitted: 1 });
    const transactions = await storage.sql('SELECT DISTINCT xmin::text FROM pool_event');
    expect(transactions).toHaveLength(1);
  });

  it('has the effect of the operations in their order, however they fall into batches', async () => {
    const states = fc.constantFrom('idle', 'queued', 'running', 'toolCall') as fc.Arbitrary<'idle' | 'queued'>;
    const changes = fc.record(
      { state: states, contextTokens: fc.nat(1_000), endMessage: fc.option(fc.string()), engineId: fc.constant('e') },
      { requiredKeys: [] },
    );
    const operation = fc.record({ programId: fc.constantFrom('a', 'b'), isSave: fc.boolean(), changes });
    const programs = new ProgramRepository(storage.database);
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, maxBatch) => {
          const writer = await storage.writer('pool', { maxBatch });
          const expected = new Map(['a', 'b'].map((programId) => [programId, programRow({ programId })]));
          for (const row of expected.values()) writer.save('program', row);
          for (const { programId, isSave, changes } of steps) {
            const base = isSave ? programRow({ programId }) : (expected.get(programId) ?? programRow({ programId }));
            expected.set(programId, { ...base, ...changes });
            if (isSave) writer.save('program', { ...base, ...changes });
            else writer.update('program', { programId, ...changes });
          }
          await writer.flush();
          for (const [programId, row] of expected) {
            const storable = { ...row, endMessage: row.endMessage?.replaceAll('\0', '\ufffd') ?? null };
            expect(await programs.get(programId)).toMatchObject(storable);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('keeps fields that an update does not name and clears those it sets to null', async () => {
    const writer = await storage.writer('pool');
    writer.save('program', programRow({ programId: 'p', engineId: 'e', endMessage: 'kept' }));
    await writer.flush();
    writer.update('program', { programId: 'p', engineId: null });
    await writer.flush();
    const stored = await new ProgramRepository(storage.database).get('p');
    expect(stored).toMatchObject({ engineId: null, endMessage: 'kept', name: 'fix issue 412' });
  });

  it('stores text that PostgreSQL cannot hold with replacement characters instead of stopping', async () => {
    const writer = await storage.writer('pool');
    writer.save('program', programRow({ programId: 'p', name: 'a\0b\ud800c😀' }));
    await writer.flush();
    expect((await new ProgramRepository(storage.database).get('p'))?.name).toBe('a\ufffdb\ufffdc😀');
  });

  it('counts updates of rows that are gone and goes on', async () => {
    const writer = await storage.writer('pool');
    writer.update('turn', { turnId: 'none', state: 'failed' });
    writer.save('program', programRow({ programId: 'p' }));
    await writer.flush();
    expect(writer.stats.missingRows).toBe(1);
    expect(await new ProgramRepository(storage.database).get('p')).toBeDefined();
  });

  it('splits batches by size, so that long prompts do not make one huge statement', async () => {
    const writer = await storage.writer('pool');
    writer.save('program', programRow({ programId: 'p' }));
    const appendedIds = new Uint32Array(1_100_000).map((_, index) => index);
    for (let ordinal = 0; ordinal < 4; ordinal++) {
      writer.save('turn', turnRow({ turnId: `t${ordinal}`, programId: 'p', ordinal, appendedIds }));
    }
    await writer.flush();
    expect(writer.stats.batchesCommitted).toBeGreaterThan(2);
    const stored = await new TurnRepository(storage.database).get('t3');
    expect(
      Buffer.compare(tokenIdsToBytes(stored?.appendedIds ?? new Uint32Array()), tokenIdsToBytes(appendedIds)),
    ).toBe(0);
  });

  it('says that it is saturated, and refuses only far beyond that', async () => {
    const writer = await storage.writer('pool', { softLimit: 10 });
    const save = (sequence: number): void => writer.save('poolEvent', { sequence, at, event });
    for (let i = 0; i < 9; i++) save(i);
    expect(writer.isSaturated).toBe(false);
    save(9);
    expect(writer.isSaturated).toBe(true);
    for (let i = 10; i < 40; i++) save(i);
    expect(() => save(40)).toThrow('40 writes wait for the database; allowed: 40');
    await writer.flush();
    expect(writer.isSaturated).toBe(false);
    expect(await new EventRepository(storage.database).lastSequence('pool')).toBe(39);
  });

  it('writes what it has on close and takes nothing more', async () => {
    const writer = await storage.writer('pool');
    writer.save('program', programRow({ programId: 'p' }));
    await writer.close();
    expect(await new ProgramRepository(storage.database).get('p')).toBeDefined();
    expect(() => writer.save('program', programRow({ programId: 'q' }))).toThrow('the writer is closed');
  });
});

describe('WriteBehind with a stale fencing token', () => {
  it('writes nothing, tells everyone, and stays stopped', async () => {
    const stopped: Error[] = [];
    const stale = await storage.writer('pool', { onStopped: (error) => stopped.push(error) });
    const fresh = await storage.writer('pool');
    stale.save('program', programRow({ programId: 'stale' }));
    stale.save('poolEvent', { sequence: 0, at, event });
    await expect(stale.flush()).rejects.toThrow(LeaseLostError);
    expect(stopped).toEqual([expect.any(LeaseLostError)]);
    expect(() => stale.save('program', programRow({ programId: 'later' }))).toThrow(LeaseLostError);
    await expect(stale.flush()).rejects.toThrow(LeaseLostError);
    fresh.save('program', programRow({ programId: 'fresh' }));
    await fresh.flush();
    expect(await storage.sql('SELECT program_id FROM program')).toEqual([{ program_id: 'fresh' }]);
    expect(await storage.sql('SELECT * FROM pool_event')).toEqual([]);
  });

  it('cannot be overtaken between its check and its commit: the take-over waits for the batch', async () => {
    const writer = await storage.writer('pool');
    writer.save('program', programRow({ programId: 'p' }));
    await writer.flush();
    const unlock = await lockProgram('p');
    writer.update('program', { programId: 'p', name: 'written before the take-over' });
    const order: string[] = [];
    const batch = writer.flush().then(() => order.push('batch'));
    await untilSessionsWait(1);
    const takeOver = storage.writer('pool').then(() => order.push('take-over'));
    await untilSessionsWait(2);
    await unlock();
    await Promise.all([batch, takeOver]);
    expect(order).toEqual(['batch', 'take-over']);
  });
});

describe('WriteBehind while the database is away', () => {
  it('loses nothing acknowledged and nothing accepted when the server restarts in mid-write', async () => {
    await survives((first) => first.stop());
  });

  it('loses nothing acknowledged and nothing accepted when the server is killed in mid-write', async () => {
    await survives(async (first) => {
      const file = await readFile(join(first.dataDir, 'cluster', 'postmaster.pid'), 'utf8');
      process.kill(Number.parseInt(file, 10), 'SIGKILL');
      await first.stop();
    });
  });

  it('gives up waiting after the time that flush was given, and close reports what was not written', async () => {
    const postgres = await startPostgres({ durable: false });
    const lines: LogLine[] = [];
    const database = new Database({ url: postgres.url, logger: listLogger(lines) });
    await postgres.stop();
    const writer = new WriteBehind({ database, logger: listLogger(lines), poolId: 'pool', fencingToken: 1 });
    writer.save('program', programRow({ programId: 'p' }));
    await expect(writer.flush(millis(100))).rejects.toMatchObject({
      kind: 'unavailable',
      reason: 'STORAGE_UNAVAILABLE',
    });
    expect(writer.failure).toBeUndefined();
    await expect(writer.close(millis(100))).rejects.toThrow('1 writes are not durable after 100 ms');
    expect(lines.map((line) => line.message)).toContain('database away; writes wait');
    await database.close();
  });
});

/** Writes without pause while `interrupt` takes the server away and a new one starts on the same data and port. */
async function survives(interrupt: (first: EmbeddedPostgres) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-writer-spec-'));
  await chmod(folder, 0o755);
  const dataDir = join(folder, 'data');
  const first = await startPostgres({ dataDir, durable: true });
  const lines: LogLine[] = [];
  const database = new Database({ url: first.url, logger: listLogger(lines) });
  let second: EmbeddedPostgres | undefined;
  try {
    await applyMigrations(database);
    const attempt = await new PoolLeaseStore(database).acquire('pool', 'spec', seconds(60));
    if (!attempt.acquired) throw new Error('a new database has no leases');
    const { fencingToken } = attempt.lease;
    const writer = new WriteBehind({
      database,
      logger: listLogger(lines),
      poolId: 'pool',
      fencingToken,
      maxBatch: 500,
    });
    let accepted = 0;
    let acknowledged = 0;
    let isWriting = true;
    const load = (async () => {
      while (isWriting) {
        for (let i = 0; i < 20; i++) writer.save('poolEvent', { sequence: accepted++, at, event });
        const target = accepted;
        void writer.flush().then(() => (acknowledged = Math.max(acknowledged, target)));
        await sleep(2);
      }
    })();
    await sleep(100);
    await interrupt(first);
    const acknowledgedBefore = acknowledged;
    second = await startPostgres({ dataDir, durable: true, port: first.port });
    const kept = await new EventRepository(database).lastSequence('pool');
    isWriting = false;
    await load;
    await writer.close(seconds(20));
    const sequences: number[] = [];
    for await (const row of new EventRepository(database).readAll('pool')) sequences.push(row.sequence);
    expect(acknowledgedBefore).toBeGreaterThan(0);
    expect(kept + 1).toBeGreaterThanOrEqual(acknowledgedBefore);
    expect(sequences).toEqual(Array.from({ length: accepted }, (_, index) => index));
    expect(writer.stats.retries).toBeGreaterThan(0);
  } finally {
    await database.close();
    await first.stop();
    await second?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Holds a lock on a program's row until the function that it returns is called. */
async function lockProgram(programId: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: storage.postgres.url });
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT 1 FROM program WHERE program_id = $1 FOR UPDATE', [programId]);
  return () => client.end();
}

async function untilSessionsWait(sessions: number): Promise<void> {
  for (let waitedMillis = 0; ; waitedMillis += 10) {
    const [row] = await storage.sql<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
    );
    if (row !== undefined && row.waiting >= sessions) return;
    if (waitedMillis > 10_000)
      throw new Error(`${row?.waiting} sessions wait for a lock after 10 s; wanted ${sessions}`);
    await sleep(10);
  }
}
