import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { millis } from '@holdfast/scheduling';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { append, exactly, someIds, startTestPlane, stopTestPlanes } from '../control-plane.fixture.js';
import { RestClient } from '../rest/rest.fixture.js';

// Each test starts a service; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

/** Resolves when a condition holds; the test's own limit ends the wait. */
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await sleep(5);
};

/** The new ranks that an engine was given for one of two turns that run, whose program an operator gives priority. */
const ranksGiven = async ({ reranks }: { readonly reranks: boolean }): Promise<readonly NewRank[]> => {
  const capabilities = { pins: true, softPins: true, ordersByRank: true, reranks };
  const plane = await startTestPlane({
    databaseUrl: postgres.url,
    engines: [{ capabilities, decodePerToken: millis(20) }],
    env: { HOLDFAST_POLICY: 'program-fcfs' },
  });
  const { client, running, engines } = plane;
  const engine = engines[0]!.client;
  // Watched, not replaced: the engine answers.
  const calls = jest.spyOn(engine, 'rerank');
  const [programId, another] = [await client.start(), await client.start()];
  const ask = { input: append(someIds(40)), sampling: exactly(100) };
  const turn = client.turn({ programId, ...ask });
  const besideIt = client.turn({ programId: another, ...ask });
  const areRunning = async (): Promise<boolean> => (await engine.load()).load.runningRequests === 2;
  await Promise.race([turn, until(areRunning)]);
  const operator = new RestClient(`http://${running.httpAddress}`, '');
  for (const priority of [1, 2]) {
    const change = { body: { priority }, headers: { 'if-match': '*' } };
    expect((await operator.call('PUT', `/programs/${programId}/priority`, change)).status).toBe(200);
  }
  expect((await turn).tokenIds).toHaveLength(100);
  await besideIt;
  const given = await Promise.all(
    calls.mock.calls.map(async ([requestId, , rank], index) => ({
      turn: requestId.replace(/^.*(\.\d+)$/, 'turn$1'),
      rank,
      wasTaken: await calls.mock.results[index]!.value,
    })),
  );
  expect(plane.fatal).toEqual([]);
  await plane.stop();
  return given as readonly NewRank[];
};

interface NewRank {
  readonly turn: string;
  readonly rank: number;
  readonly wasTaken: boolean;
}

describe('a turn that an engine has', () => {
  it('gets each new rank there', async () => {
    const given = await ranksGiven({ reranks: true });
    expect(given.map(({ turn, wasTaken }) => [turn, wasTaken])).toEqual([
      ['turn.1', true],
      ['turn.1', true],
    ]);
    expect(given[1]!.rank).toBeLessThan(given[0]!.rank);
  });

  it('keeps the rank that it was sent with, when the engine takes no other', async () => {
    expect(await ranksGiven({ reranks: false })).toEqual([]);
  });
});
