import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { instant, micros, seconds, type Instant } from '@holdfast/scheduling';
import { programRow, startStorage, turnRow, type Storage } from '../storage.fixture.js';
import type { DecisionRow } from '../model/rows.js';
import { JobEffects } from './job-effects.js';

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;
const NOW = instant(1_700_000_000_000_000);
const ages = { programs: micros(7 * DAY), events: micros(2 * DAY) };

let storage: Storage;
let effects: JobEffects;
let jobs = 0;

beforeAll(async () => {
  storage = await startStorage();
  effects = new JobEffects(storage.database);
});

afterAll(() => storage.close());

const ago = (duration: number): Instant => instant(NOW - duration);
const job = () => {
  jobs += 1;
  return { jobId: `job-${jobs}`, name: 'spec', at: NOW };
};

const decision = (decisionId: number, changes: Partial<DecisionRow>): DecisionRow => ({
  decisionId,
  at: NOW,
  kind: 'dispatch',
  policy: 'ordering.turn-fcfs',
  programId: 'p',
  choice: 'dispatch',
  reason: 'first',
  inputs: {},
  ...changes,
});

describe('the effect of a job', () => {
  it('is there once, however often and however many at once try to bring it about', async () => {
    const one = job();
    let runs = 0;
    const bringAbout = () =>
      effects.once(one, async () => {
        runs += 1;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return { run: runs };
      });
    expect(await effects.find(one.jobId)).toBeUndefined();
    const results = await Promise.all([bringAbout(), bringAbout(), bringAbout()]);
    expect(results).toEqual([{ run: 1 }, { run: 1 }, { run: 1 }]);
    expect(await bringAbout()).toEqual({ run: 1 });
    expect(await effects.find(one.jobId)).toEqual({ run: 1 });
  });

  it('is not there at all when it broke half way, and can be brought about later', async () => {
    const writer = await storage.writer('pool');
    writer.save('program', programRow({ programId: 'half', endedAt: ago(30 * DAY), state: 'completed' }));
    await writer.flush();
    const one = job();
    const broken = effects.once(one, async (scope) => {
      await scope.deleteOldRows(NOW, ages);
      throw new Error('killed');
    });
    await expect(broken).rejects.toThrow('killed');
    expect(await storage.sql(`SELECT 1 FROM program WHERE program_id = 'half'`)).toHaveLength(1);
    const result = await effects.once(one, async (scope) => ({ ...(await scope.deleteOldRows(NOW, ages)) }));
    expect(result).toMatchObject({ programs: 1 });
    expect(await storage.sql(`SELECT 1 FROM program WHERE program_id = 'half'`)).toHaveLength(0);
    await writer.close();
  });
});

describe('old rows', () => {
  it('go with all that belongs to them; young ones and the last event of a log stay', async () => {
    const writer = await storage.writer('old');
    const add = (programId: string, endedAt: Instant | null): void => {
      writer.save(
        'program',
        programRow({ programId, poolId: 'old', endedAt, state: endedAt === null ? 'idle' : 'completed' }),
      );
      writer.save('turn', turnRow({ turnId: `${programId}-t`, programId }));
      writer.save('decision', decision(programId.length, { programId, at: ago(30 * DAY) }));
    };
    add('gone', ago(8 * DAY));
    add('young', ago(DAY));
    add('living', null);
    for (const [sequence, age] of [9 * DAY, 3 * DAY, DAY, 0].entries()) {
      writer.save('poolEvent', { sequence, at: ago(age), event: { type: 'timerFired', key: 'k' } });
    }
    for (const [requestId, age] of [
      ['a', 8 * DAY],
      ['b', DAY],
    ] as const) {
      writer.save('request', { scope: 'old', requestId, bodyDigest: Uint8Array.of(1), recordedAt: ago(age) });
    }
    await writer.flush();
    // Tokens of a chunk that nothing is stored of.
    for (const [chunkId, age] of [
      ['unstored', 2 * DAY],
      ['just-seen', HOUR],
    ] as const) {
      await storage.sql(`INSERT INTO chunk_text VALUES ('${chunkId}', 't', '', '', '', '', '', '', ${ago(age)})`);
    }
    const result = await effects.once(job(), async (scope) => ({ ...(await scope.deleteOldRows(NOW, ages)) }));
    expect(result).toMatchObject({ programs: 1, decisions: 1, events: 2, requests: 1, chunkTexts: 1 });
    expect(await storage.sql('SELECT chunk_id FROM chunk_text')).toEqual([{ chunk_id: 'just-seen' }]);
    const left = await storage.sql<{ id: string }>(
      `SELECT program_id AS id FROM program WHERE pool_id = 'old' UNION ALL SELECT turn_id FROM turn WHERE turn_id LIKE '%-t'
       UNION ALL SELECT sequence::text FROM pool_event WHERE pool_id = 'old' ORDER BY 1`,
    );
    expect(left.map(({ id }) => id)).toEqual(['2', '3', 'living', 'living-t', 'young', 'young-t']);
    const later = instant(NOW + 30 * DAY);
    await effects.once({ ...job(), at: later }, async (scope) => ({ ...(await scope.deleteOldRows(later, ages)) }));
    expect(await storage.sql(`SELECT 1 FROM pool_event WHERE pool_id = 'old'`)).toHaveLength(1);
    await writer.close();
  });
});

describe('roll-ups of decisions', () => {
  it('count whole hours, count again what became of pins later, and outlive the decisions', async () => {
    const writer = await storage.writer('rolled');
    const hour = Math.floor(NOW / HOUR) * HOUR;
    const inHour = (back: number, offset = 5): Instant => instant(hour - back * HOUR + offset);
    const retention = { kind: 'retention', policy: 'retention.elastic', choice: 'hold' } as const;
    writer.save('decision', decision(1, { at: inHour(2) }));
    writer.save('decision', decision(2, { at: inHour(1) }));
    writer.save('decision', decision(3, { at: inHour(1), ...retention }));
    writer.save('decision', decision(4, { at: inHour(0) }));
    await writer.flush();
    const rollUp = () => effects.once(job(), (scope) => scope.rollUpDecisions(NOW));
    const counted = () =>
      storage.sql(
        `SELECT hour_micros::text AS hour, kind, outcome, decisions FROM decision_roll_up WHERE pool_id = 'rolled' ORDER BY 1, 2, 3`,
      );
    await rollUp();
    expect(await counted()).toEqual([
      { hour: String(hour - 2 * HOUR), kind: 'dispatch', outcome: '', decisions: 1 },
      { hour: String(hour - HOUR), kind: 'dispatch', outcome: '', decisions: 1 },
      { hour: String(hour - HOUR), kind: 'retention', outcome: '', decisions: 1 },
    ]);
    writer.update('decision', { decisionId: 3, outcome: 'hit', outcomeAt: NOW });
    await writer.flush();
    await rollUp();
    expect((await counted()).at(-1)).toMatchObject({ kind: 'retention', outcome: 'hit', decisions: 1 });
    const before = await counted();
    await storage.sql(`DELETE FROM decision WHERE pool_id = 'rolled'`);
    await effects.once(job(), (scope) => scope.rollUpDecisions(instant(NOW + 40 * HOUR)));
    expect(await counted()).toEqual(before);
    await writer.close();
  });
});

describe('silent programs', () => {
  it('are timed out when nobody schedules their pool, with what they had open; others are left alone', async () => {
    const add = async (poolId: string): Promise<void> => {
      const writer = await storage.writer(poolId);
      const silent = { poolId, lastActiveAt: ago(2 * HOUR), idleLimit: seconds(3_600) };
      writer.save('program', programRow({ programId: `${poolId}-silent`, ...silent }));
      writer.save('program', programRow({ programId: `${poolId}-active`, ...silent, lastActiveAt: NOW }));
      writer.save('turn', turnRow({ turnId: `${poolId}-turn`, programId: `${poolId}-silent`, state: 'started' }));
      writer.save('toolCall', { programId: `${poolId}-silent`, toolCallId: 'c', tool: 'bash', beganAt: ago(HOUR) });
      await writer.close();
    };
    await add('abandoned');
    await add('owned');
    await storage.sql(
      `UPDATE pool_lease SET expires_at = clock_timestamp() - interval '5 minutes' WHERE pool_id = 'abandoned'`,
    );
    const expire = () => effects.once(job(), async (scope) => [...(await scope.expireSilentPrograms(NOW))]);
    expect(await expire()).toEqual(['abandoned-silent']);
    expect(await expire()).toEqual([]);
    const [program] = await storage.sql(
      `SELECT state, ended_at_micros::text AS ended, (SELECT state FROM turn WHERE turn_id = 'abandoned-turn') AS turn,
              (SELECT outcome FROM tool_call WHERE program_id = 'abandoned-silent') AS tool
         FROM program WHERE program_id = 'abandoned-silent'`,
    );
    expect(program).toEqual({ state: 'timedOut', ended: String(NOW), turn: 'failed', tool: 'cancelled' });
  });
});
