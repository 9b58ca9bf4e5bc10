import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { instant, seconds } from '@holdfast/scheduling';
import { programRow, startStorage, turnRow, type Storage } from '../storage.fixture.js';
import { PolicyRepository } from './policy-repository.js';
import { RecordedProgramRepository } from './recorded-programs.js';
import { StatisticsRepository } from './statistics-repository.js';

const T = 1_700_000_000_000_000;
const at = (second: number) => instant(T + second * 1_000_000);

let storage: Storage;

beforeAll(async () => {
  storage = await startStorage();
});

afterAll(() => storage.close());

describe('policies of a pool', () => {
  const document = (policy: string) => ({ poolId: 'pool', policy, note: '', createdAt: at(0), createdBy: 'key-1' });
  const activation = (sequence: number, version: number) => ({
    sequence,
    version,
    activatedAt: at(sequence),
    activatedBy: null,
    undoes: null,
  });

  it('are numbered, listed newest first, and activated one after the other by the owner of the pool', async () => {
    const writer = await storage.writer('pool');
    const [{ fencing_token: token }] = (await storage.sql(
      `SELECT fencing_token::int FROM pool_lease WHERE pool_id = 'pool'`,
    )) as [{ fencing_token: number }];
    const owner = { poolId: 'pool', fencingToken: token };
    const policies = new PolicyRepository(storage.database);
    await Promise.all(['a', 'b', 'c'].map((policy) => policies.addDocument(document(policy))));
    const { items, nextPageToken } = await policies.documents('pool', { pageSize: 2 });
    expect(items.map(({ version }) => version)).toEqual([3, 2]);
    const rest = await policies.documents('pool', { pageSize: 2, pageToken: nextPageToken ?? '' });
    expect(rest.items.map(({ version }) => version)).toEqual([1]);

    const attempts = await Promise.all([1, 2, 3].map((version) => policies.activate(owner, activation(1, version))));
    expect(attempts.filter(Boolean)).toHaveLength(1);
    expect(await policies.activate(owner, activation(3, 1))).toBe(false);
    expect(await policies.activate(owner, activation(2, 1))).toBe(true);
    expect(await policies.lastActivation('pool')).toMatchObject({ sequence: 2, version: 1 });
    const stale = policies.activate({ ...owner, fencingToken: token - 1 }, activation(3, 2));
    await expect(stale).rejects.toMatchObject({ reason: 'LEASE_LOST' });
    await writer.close();
  });
});

describe('statistics of a pool', () => {
  it('are stored in the place of the version that was read, or not at all', async () => {
    const statistics = new StatisticsRepository(storage.database);
    expect(await statistics.get('s')).toBeUndefined();
    expect(await statistics.version('s')).toBe(0);
    expect(await statistics.save('s', 0, { document: { a: 1 }, savedAt: at(0) })).toBe(true);
    expect(await statistics.save('s', 0, { document: { a: 2 }, savedAt: at(1) })).toBe(false);
    expect(await statistics.save('s', 1, { document: { a: 3 }, savedAt: at(2) })).toBe(true);
    expect(await statistics.get('s')).toEqual({ version: 2, document: { a: 3 }, savedAt: at(2) });
  });
});

describe('programs of the past', () => {
  beforeAll(async () => {
    const writer = await storage.writer('past');
    const program = { poolId: 'past', lastActiveAt: at(100), startedAt: at(0) };
    writer.save('program', programRow({ programId: 'late', ...program }));
    writer.save('program', programRow({ programId: 'early', ...program }));
    const turn = (programId: string, ordinal: number, [submitted, finished]: readonly [number, number]) =>
      turnRow({
        turnId: `${programId}-${ordinal}`,
        programId,
        ordinal,
        state: 'finished',
        promptTokens: 10 * (ordinal + 1),
        keepTokens: 10 * ordinal,
        outputTokens: 5,
        submittedAt: at(submitted),
        finishedAt: at(finished),
      });
    writer.save('turn', turn('early', 0, [1, 2]));
    writer.save('turn', turn('early', 1, [10, 12]));
    writer.save('turn', turn('early', 2, [15, 16]));
    writer.save('turn', turn('late', 0, [5, 6]));
    writer.save(
      'turn',
      turnRow({ turnId: 'late-1', programId: 'late', ordinal: 1, state: 'failed', submittedAt: at(8) }),
    );
    const call = {
      programId: 'early',
      toolCallId: 'c',
      tool: 'bash',
      commandClass: 'pytest',
      outcome: 'succeeded',
    } as const;
    writer.save('toolCall', { ...call, beganAt: at(3), endedAt: at(9) });
    writer.save('toolCall', { ...call, toolCallId: 'd', outcome: 'cancelled', beganAt: at(17), endedAt: at(18) });
    await writer.close();
  });

  it('come as scripts, by first turn, with the tool that followed each turn', async () => {
    const programs = await new RecordedProgramRepository(storage.database).inWindow(
      'past',
      { from: at(0), to: at(1_000) },
      100,
    );
    expect(programs.map(({ programId }) => programId)).toEqual(['early', 'late']);
    expect(programs[0]?.turns).toEqual([
      { promptTokens: 10, keepTokens: 0, outputTokens: 5, submittedAt: at(1), finishedAt: at(2), tool: { name: 'bash', commandClass: 'pytest' } },
      { promptTokens: 20, keepTokens: 10, outputTokens: 5, submittedAt: at(10), finishedAt: at(12), tool: null },
      { promptTokens: 30, keepTokens: 20, outputTokens: 5, submittedAt: at(15), finishedAt: at(16), tool: { name: 'bash', commandClass: 'pytest' } },
    ]); // prettier-ignore
  });

  it('tell how long tools ran and how long gaps without any lasted, in the order of their end', async () => {
    const calls = await new StatisticsRepository(storage.database).endedToolCalls('past', at(0), 10);
    expect(calls).toMatchObject([
      { programId: 'early', tool: 'bash', commandClass: 'pytest', duration: seconds(6), endedAt: at(9) },
      { programId: 'early', tool: null, commandClass: null, duration: seconds(3), endedAt: at(15) },
    ]);
    expect(await new StatisticsRepository(storage.database).endedToolCalls('past', at(0), 1)).toHaveLength(1);
  });
});
