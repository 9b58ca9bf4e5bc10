import { status } from '@grpc/grpc-js';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  append,
  prompt,
  someIds,
  startTestPlane,
  stopTestPlanes,
  type CallFailure,
  type TestPlane,
} from './control-plane.fixture.js';

// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;
let plane: TestPlane;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  plane = await startTestPlane({ databaseUrl: postgres.url, engines: [{}, {}, {}] });
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

describe('a sub-agent', () => {
  it('has its parent and its class, here, over REST and after a restart of the service', async () => {
    const pool = 'pool-of-parents';
    const before = await startTestPlane({ databaseUrl: postgres.url, pool });
    const parentProgramId = await before.client.start({ programClass: 'swe' });
    const programId = await before.client.start({ parentProgramId });
    const other = await before.client.start({ parentProgramId, programClass: 'search' });
    await before.stop();
    const after = await startTestPlane({ databaseUrl: postgres.url, pool });
    try {
      const { program } = await after.client.call('getProgram', { programId });
      expect(program).toMatchObject({ parentProgramId, programClass: 'swe' });
      const overRest = await fetch(`http://${after.running.httpAddress}/api/v1/programs/${other}`);
      expect(await overRest.json()).toMatchObject({ parentId: parentProgramId, programClass: 'search' });
      const { program: parent } = await after.client.call('getProgram', { programId: parentProgramId });
      expect(parent?.parentProgramId).toBe('');
    } finally {
      await after.stop();
    }
  });

  it("runs where its parent does when its prompt begins as that one's context, and finds its KV", async () => {
    const { client } = plane;
    const parentProgramId = await client.start();
    const parent = await client.turn({ programId: parentProgramId, input: append(someIds(160)) });
    const alike = await client.start({ parentProgramId });
    const first = await client.turn({ programId: alike, input: prompt([...someIds(160), 7, 7]) });
    expect(first.started?.engineId).toBe(parent.started?.engineId);
    expect(first.finished.usage).toMatchObject({ cachedTokens: 160, recomputedTokens: 0 });
    const foreign = await client.start({ parentProgramId });
    const elsewhere = await client.turn({ programId: foreign, input: append(someIds(160, 3)) });
    expect(elsewhere.started?.engineId).not.toBe(parent.started?.engineId);
  });

  it('needs a parent that is there and lives', async () => {
    const { client } = plane;
    const ended = await client.start();
    await client.call('endProgram', { programId: ended });
    const failed = async (parentProgramId: string, programId = ''): Promise<CallFailure> =>
      client.failure(client.call('startProgram', { programId, parentProgramId }));
    expect(await failed('nobody')).toMatchObject({
      code: status.NOT_FOUND,
      details: { reason: 'PROGRAM_NOT_FOUND', metadata: { programId: 'nobody' } },
    });
    expect(await failed(ended)).toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: { reason: 'PROGRAM_ENDED' },
    });
    expect(await failed('myself', 'myself')).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: { reason: 'FIELD_INVALID', fieldViolations: [{ field: 'parent_program_id' }] },
    });
    expect(await failed('other~p')).toMatchObject({
      details: { reason: 'FIELD_INVALID', fieldViolations: [{ field: 'parent_program_id' }] },
    });
  });

  it('stands below eight others at most, and the error names them', async () => {
    const { client } = plane;
    const ids = Array.from({ length: 9 }, (_, level) => `level-${level}`);
    for (const [level, programId] of ids.entries()) {
      await client.start({ programId, parentProgramId: ids[level - 1] ?? '' });
    }
    const failure = await client.failure(client.call('startProgram', { parentProgramId: 'level-8' }));
    expect(failure.details).toMatchObject({ reason: 'FIELD_INVALID' });
    expect(failure.details?.fieldViolations?.[0]?.description).toContain('level-8 < level-7');
  });
});
