import { type ClientReadableStream, status } from '@grpc/grpc-js';
import type { program as wire } from '@holdfast/contracts';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { millis } from '@holdfast/scheduling';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  append,
  collect,
  exactly,
  someIds,
  startTestPlane,
  stopTestPlanes,
  type TestPlane,
} from './control-plane.fixture.js';

// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

/** Runs a test on a control plane of its own. */
const withPlane = async (
  options: Parameters<typeof startTestPlane>[0],
  test: (plane: TestPlane) => Promise<void>,
): Promise<void> => {
  const plane = await startTestPlane({ databaseUrl: postgres.url, ...options });
  try {
    await test(plane);
    expect(plane.fatal).toEqual([]);
  } finally {
    await plane.stop();
  }
};

/** Resolves when a condition holds; the test's own limit ends the wait. */
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await sleep(5);
};

const firstDelta = async (stream: ClientReadableStream<wire.RunTurnResponse>): Promise<void> => {
  for (;;) {
    const [message] = (await once(stream, 'data')) as [wire.RunTurnResponse];
    if (message.event?.$case === 'delta') return;
  }
};

const slowEngine = { decodePerToken: millis(20) };

describe('engines that fail', () => {
  it('refuses programs while no engine was ever there, and says that a retry can help', async () => {
    await withPlane({ engines: [] }, async ({ client }) => {
      const failure = await client.failure(client.start());
      expect([failure.code, failure.details?.reason]).toEqual([status.UNAVAILABLE, 'ENGINE_UNREACHABLE']);
    });
  });

  it('moves a turn without output to another engine when its own breaks', async () => {
    await withPlane({ engines: [{}, {}] }, async ({ client, engines }) => {
      engines[0]?.inject({ type: 'garbage', afterTokens: 0 });
      const programId = await client.start();
      const turn = await client.turn({ programId });
      expect(turn.finished.usage?.outputTokens).toBe(8);
    });
  });

  it('ends a turn that had output with a retryable error, and runs it again under the same id', async () => {
    await withPlane({}, async ({ client, engines }) => {
      const programId = await client.start();
      engines[0]?.inject({ type: 'cut', afterTokens: 3 });
      const request = { programId, requestId: 'again' };
      const failure = await client.failure(client.turn(request));
      expect([failure.code, failure.details?.reason]).toEqual([status.UNAVAILABLE, 'ENGINE_UNREACHABLE']);
      engines[0]?.heal();
      const turn = await client.turn(request);
      expect(turn.tokenIds).toHaveLength(8);
      const { program } = await client.call('getProgram', { programId });
      expect([program?.turnsFinished, program?.contextTokens]).toEqual([1, 48]);
    });
  });

  it('reports an engine that never stops breaking the protocol', async () => {
    await withPlane({}, async ({ client, engines }) => {
      engines[0]?.inject({ type: 'garbage', afterTokens: 0 });
      const programId = await client.start();
      const failure = await client.failure(client.turn({ programId }));
      expect(failure.details?.reason).toBe('ENGINE_PROTOCOL_VIOLATED');
    });
  });

  it('gives a hanging engine up after its silence limit', async () => {
    await withPlane({ engines: [{ streamIdle: millis(50) }] }, async ({ client, engines }) => {
      engines[0]?.inject({ type: 'hang', afterTokens: 2 });
      const programId = await client.start();
      const failure = await client.failure(client.turn({ programId }));
      expect([failure.code, failure.details?.reason]).toEqual([status.DEADLINE_EXCEEDED, 'ENGINE_DEADLINE']);
    });
  });

  it('lets turns wait for a lost engine, and goes on when it comes back', async () => {
    await withPlane({}, async ({ client, engines }) => {
      const programId = await client.start();
      engines[0]?.inject({ type: 'unreachable' });
      const turn = client.turn({ programId });
      await sleep(50);
      engines[0]?.heal();
      expect((await turn).tokenIds).toHaveLength(8);
    });
  });

  it('fails waiting turns when no engine comes back in time', async () => {
    await withPlane({ env: { HOLDFAST_ENGINE_ABSENCE_LIMIT: '100ms' } }, async ({ client, engines }) => {
      const programId = await client.start();
      engines[0]?.inject({ type: 'unreachable' });
      const failure = await client.failure(client.turn({ programId }));
      expect([failure.code, failure.details?.reason]).toEqual([status.UNAVAILABLE, 'ENGINE_UNREACHABLE']);
      await until(
        async () => (await client.failure(client.turn({ programId }))).details?.retryAfterMicros !== undefined,
      );
    });
  });

  it('takes an engine that restarted as a new one', async () => {
    await withPlane({ env: { HOLDFAST_POLICY: 'static-ttl:ttl=60s' } }, async ({ client, engines }) => {
      const programId = await client.start();
      const before = await client.turn({ programId });
      expect(before.finished.pin).toBeDefined();
      engines[0]?.restart();
      await until(async () => (await client.call('getProgram', { programId })).program?.engineId === '');
      const after = await client.turn({ programId, input: append(someIds(4)) });
      expect(after.finished.usage).toMatchObject({ cachedTokens: 0, recomputedTokens: 48 });
    });
  });
});

describe('callers that leave or dawdle', () => {
  it('aborts the engine call of a turn whose caller cancels, and keeps the context as it was', async () => {
    await withPlane({ engines: [slowEngine] }, async ({ client, engines }) => {
      const programId = await client.start();
      await client.turn({ programId, sampling: exactly(2) });
      const stream = client.openTurn({ programId, input: append(someIds(20)), sampling: exactly(500) });
      stream.on('error', () => undefined);
      await firstDelta(stream);
      stream.cancel();
      await until(async () => (await engines[0]?.client.load())?.load.runningRequests === 0);
      const { program } = await client.call('getProgram', { programId });
      expect(program?.contextTokens).toBe(42);
      const next = await client.turn({ programId, input: append(someIds(5)), sampling: exactly(2) });
      expect(next.finished.usage?.promptTokens).toBe(47);
    });
  });

  it('keeps a turn for its second caller when the first leaves, and gives both the whole stream', async () => {
    await withPlane({ engines: [slowEngine] }, async ({ client }) => {
      const programId = await client.start();
      const request = { programId, requestId: 'shared', sampling: exactly(20) };
      const first = client.openTurn(request);
      first.on('error', () => undefined);
      await firstDelta(first);
      const second = client.turn(request);
      const third = client.turn(request);
      await sleep(20);
      first.cancel();
      const [a, b] = await Promise.all([second, third]);
      expect(a.tokenIds).toHaveLength(20);
      expect(b.tokenIds).toEqual(a.tokenIds);
      expect(a.events).toEqual(['queued', 'started', 'delta', 'finished']);
    });
  });

  it('refuses a second turn while one runs', async () => {
    await withPlane({ engines: [slowEngine] }, async ({ client }) => {
      const programId = await client.start();
      const stream = client.openTurn({ programId, sampling: exactly(100) });
      const running = collect(stream);
      await until(async () => (await client.call('getProgram', { programId })).program?.state === 3);
      const failure = await client.failure(client.turn({ programId, input: append([1]) }));
      expect([failure.code, failure.details?.reason]).toEqual([status.FAILED_PRECONDITION, 'TURN_RUNNING']);
      stream.cancel();
      await client.failure(running);
    });
  });

  it('cancels the running turn of a program that is ended', async () => {
    await withPlane({ engines: [slowEngine] }, async ({ client, engines }) => {
      const programId = await client.start();
      const running = client.turn({ programId, sampling: exactly(500) });
      const failed = client.failure(running);
      await until(async () => (await client.call('getProgram', { programId })).program?.state === 3);
      await client.call('endProgram', { programId });
      expect((await failed).details?.reason).toBe('CALLER_CANCELLED');
      await until(async () => (await engines[0]?.client.load())?.load.runningRequests === 0);
    });
  });

  it('loses nothing for a slow reader, and stops pulling from the engine meanwhile', async () => {
    // Several times what the transport's own windows hold; when they are full the engine's request waits inside its run.
    const tokens = 40_000;
    await withPlane(
      { engines: [{ maxContextTokens: 2 * tokens, totalBlocks: tokens }] },
      async ({ client, engines }) => {
        const programId = await client.start();
        const stream = client.openTurn({ programId, sampling: exactly(tokens) });
        // grpc-js holds a stream back only after its first message was read.
        await once(stream, 'data');
        stream.pause();
        await sleep(1_500);
        expect((await engines[0]?.client.load())?.load.runningRequests).toBe(1);
        const turn = await collect(stream);
        expect(turn.tokenIds).toHaveLength(tokens);
      },
    );
  });

  it('gives a caller up that takes nothing at all', async () => {
    await withPlane({ env: { HOLDFAST_CALLER_STALL_LIMIT: '100ms' } }, async ({ client, engines }) => {
      const programId = await client.start();
      const stream = client.openTurn({ programId, sampling: exactly(8_000) });
      stream.on('error', () => undefined);
      stream.pause();
      await until(async () => (await engines[0]?.client.load())?.load.runningRequests === 0);
      const { program } = await client.call('getProgram', { programId });
      expect(program?.turnsFinished).toBe(0);
      stream.cancel();
    });
  });

  it('says when the queue is full and when to come again', async () => {
    const env = { HOLDFAST_MAX_QUEUED_TURNS: '1', HOLDFAST_DISPATCH_WINDOW: '1' };
    await withPlane({ env, engines: [{ ...slowEngine, prefillPerToken: millis(20) }] }, async ({ client }) => {
      const ids = await Promise.all([client.start(), client.start(), client.start()]);
      const streams = ids.map((programId) => client.openTurn({ programId }));
      const results = await Promise.allSettled(streams.map((stream) => collect(stream)));
      const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
      expect(failures).toHaveLength(1);
      expect(failures[0]).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: { reason: 'QUEUE_FULL' } });
      expect(failures[0].details.retryAfterMicros).toBeGreaterThan(0);
    });
  });
});

describe('stopping and starting again', () => {
  it('cuts a turn that does not end in time with a retryable error, and runs it after the restart', async () => {
    const first = await startTestPlane({ databaseUrl: postgres.url, engines: [slowEngine] });
    const { client, pool } = first;
    const programId = await client.start({ name: 'survivor' });
    const done = await client.turn({ programId, requestId: 'done', sampling: exactly(2) });
    await client.call('beginToolCall', { programId, toolCallId: 'open', tool: 'bash' });
    const request = { programId, requestId: 'cut', input: append(someIds(6)), sampling: exactly(100) };
    const cut = client.failure(client.turn(request));
    await until(async () => (await client.call('getProgram', { programId })).program?.state === 3);
    await first.running.stop();
    expect((await cut).details?.reason).toBe('TURN_INTERRUPTED');
    client.close();

    const second = await startTestPlane({ databaseUrl: postgres.url, pool });
    try {
      const { program } = await second.client.call('getProgram', { programId });
      expect(program).toMatchObject({ name: 'survivor', turnsFinished: 1, contextTokens: 42 });
      const again = await second.client.turn({ ...request, sampling: exactly(100) });
      expect(again.finished.usage).toMatchObject({ promptTokens: 48, outputTokens: 100 });
      const replayed = await second.client.turn({ programId, requestId: 'done', sampling: exactly(2) });
      expect(replayed.tokenIds).toEqual(done.tokenIds);
      await second.client.call('endToolCall', { programId, toolCallId: 'open' });
    } finally {
      await second.stop();
    }
  });

  it('lets a turn end that is nearly done', async () => {
    const plane = await startTestPlane({
      databaseUrl: postgres.url,
      engines: [slowEngine],
      env: { HOLDFAST_DRAIN_LIMIT: '20s' },
    });
    const programId = await plane.client.start();
    const turn = plane.client.turn({ programId, sampling: exactly(10) });
    await until(async () => (await plane.client.call('getProgram', { programId })).program?.state === 3);
    const stopped = plane.running.stop();
    expect((await turn).tokenIds).toHaveLength(10);
    await stopped;
    plane.client.close();
  });

  it('refuses new work while it stops', async () => {
    const plane = await startTestPlane({
      databaseUrl: postgres.url,
      engines: [slowEngine],
      env: { HOLDFAST_DRAIN_LIMIT: '20s' },
    });
    const programId = await plane.client.start();
    const other = await plane.client.start();
    const turn = plane.client.turn({ programId, sampling: exactly(40) });
    await until(async () => (await plane.client.call('getProgram', { programId })).program?.state === 3);
    const stopped = plane.running.stop();
    const failure = await plane.client.failure(plane.client.turn({ programId: other }));
    expect([failure.code, failure.details?.reason]).toEqual([status.UNAVAILABLE, 'DRAINING']);
    await turn;
    await stopped;
    plane.client.close();
  });

  it('goes on where a process that is gone stopped, and writes nothing of the one that lost its lease', async () => {
    const first = await startTestPlane({ databaseUrl: postgres.url, engines: [slowEngine] });
    const { pool } = first;
    const programId = await first.client.start({ name: 'taken over' });
    await first.client.turn({ programId, sampling: exactly(2) });
    const request = { programId, requestId: 'cut', input: append(someIds(6)), sampling: exactly(50) };
    const running = first.client.turn(request).catch(() => undefined);
    await until(async () => (await first.client.call('getProgram', { programId })).program?.state === 3);
    // Starting a program waits until all that was written before is durable, the running turn included.
    await first.client.start();

    const second = await startTestPlane({ databaseUrl: postgres.url, pool });
    try {
      const { program } = await second.client.call('getProgram', { programId });
      expect(program).toMatchObject({ name: 'taken over', turnsFinished: 1, contextTokens: 42, state: 1 });
      await until(() => first.fatal.length > 0);
      expect(String(first.fatal[0])).toMatch(/another replica/);
      const again = await second.client.turn(request);
      expect(again.finished.usage).toMatchObject({ promptTokens: 48, outputTokens: 50 });
      const refused = await first.client.failure(first.client.start());
      expect(refused.code).toBe(status.UNAVAILABLE);
    } finally {
      await first.stop();
      await running;
      await second.stop();
    }
  });

  it('keeps programs in its own PostgreSQL when no database is given', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'holdfast-plane-'));
    const env = { HOLDFAST_DATA_DIR: dataDir };
    try {
      const first = await startTestPlane({ env, pool: 'own' });
      const programId = await first.client.start();
      await first.client.turn({ programId });
      await first.stop();
      const second = await startTestPlane({ env, pool: 'own' });
      const turn = await second.client.turn({ programId, input: append(someIds(2)) });
      await second.stop();
      expect(turn.finished.usage?.promptTokens).toBe(50);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it('reloads the context of an idle program that was spilled', async () => {
    await withPlane({ env: { HOLDFAST_CONTEXT_MEMORY: '1KiB' } }, async ({ client }) => {
      const ids = await Promise.all([client.start(), client.start(), client.start()]);
      for (const programId of ids) await client.turn({ programId, input: append(someIds(200)) });
      for (const programId of ids) {
        const turn = await client.turn({ programId, input: append(someIds(10)) });
        expect(turn.finished.usage?.promptTokens).toBe(218);
        expect(turn.queued?.compacted).toBe(false);
      }
    });
  });

  it('answers health over HTTP', async () => {
    await withPlane({}, async ({ running, engines }) => {
      const statusOf = async (path: string): Promise<number> =>
        (await fetch(`http://${running.httpAddress}/health/${path}`)).status;
      expect(await Promise.all(['startup', 'live', 'ready'].map(statusOf))).toEqual([200, 200, 200]);
      engines[0]?.inject({ type: 'unreachable' });
      await until(async () => (await statusOf('ready')) === 503);
      // Nothing that a restart would mend.
      expect(await Promise.all(['startup', 'live'].map(statusOf))).toEqual([200, 200]);
    });
  });
});
