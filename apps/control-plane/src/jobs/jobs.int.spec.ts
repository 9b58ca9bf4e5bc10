import {
  Database,
  DecisionRepository,
  EventRepository,
  PolicyRepository,
  StatisticsRepository,
} from '@holdfast/persistence';
import type { JobJson } from '@holdfast/jobs';
import { startPostgres, systemClock, type EmbeddedPostgres } from '@holdfast/platform';
import { createKernel, instant, millis, parsePolicy, type Decision, type KernelEvent } from '@holdfast/scheduling';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { readConfig } from '../config/config.js';
import { append, exactly, someIds, startTestPlane, stopTestPlanes, type TestPlane } from '../control-plane.fixture.js';
import { jobWork } from './job-work.js';
import { startJobsProcess } from './start-jobs-process.js';

// Each test starts services; on a busy machine that takes a while.
jest.setTimeout(180_000);

let postgres: EmbeddedPostgres;
let database: Database;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  database = new Database({ url: postgres.url, logger: pino({ level: 'silent' }) });
}, 120_000);

afterEach(() => stopTestPlanes(), 120_000);

afterAll(async () => {
  await database.close();
  await postgres.stop();
}, 120_000);

const start = (env: Record<string, string> = {}, pool?: string): Promise<TestPlane> =>
  startTestPlane({
    databaseUrl: postgres.url,
    engines: [{ decodePerToken: millis(1) }],
    env: { HOLDFAST_ROLES: 'api,scheduler,jobs', HOLDFAST_POLICY: 'continuum', ...env },
    ...(pool === undefined ? {} : { pool }),
  });

/** A program of some turns with a tool call after each. */
const runProgram = async ({ client }: TestPlane, turns = 3): Promise<string> => {
  const programId = await client.start({ programClass: 'swe' });
  for (let turn = 0; turn < turns; turn += 1) {
    await client.turn({ programId, input: append(someIds(40, turn)), sampling: exactly(3) });
    await client.call('beginToolCall', { programId, toolCallId: `c${turn}`, tool: 'grep' });
    await client.call('endToolCall', { programId, toolCallId: `c${turn}` });
  }
  await client.call('endProgram', { programId });
  return programId;
};

const eventsOf = async (pool: string): Promise<{ at: number; event: KernelEvent }[]> => {
  const events: { at: number; event: KernelEvent }[] = [];
  for await (const { at, event } of new EventRepository(database).readAll(pool)) events.push({ at, event });
  return events;
};

const until = async <Value>(look: () => Promise<Value | undefined>): Promise<Value> => {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const value = await look();
    if (value !== undefined) return value;
    await sleep(100);
  }
  throw new Error('it did not happen within 60 s');
};

describe('policies of a running pool', () => {
  it('begin with the configured one, and are activated and undone while programs run', async () => {
    const plane = await start();
    const { policies } = plane.running;
    expect(policies.active).toMatchObject({ document: { version: 1, policy: 'continuum', createdBy: null } });
    const programId = await plane.client.start({});
    await plane.client.turn({ programId, input: append(someIds(40, 1)), sampling: exactly(3) });

    const second = await policies.create('static-ttl:ttl=5s', { note: 'try it', by: 'key-1' });
    const third = await policies.create('holdfast', { note: '', by: 'key-1' });
    expect([second.version, third.version]).toEqual([2, 3]);
    expect(policies.active.document.version).toBe(1);

    await policies.activate(2, { by: 'key-1', expectedSequence: 1 });
    await expect(policies.activate(3, { by: 'key-2', expectedSequence: 1 })).rejects.toMatchObject({
      reason: 'VERSION_CONFLICT',
    });
    await plane.client.turn({ programId, input: append(someIds(40, 2)), sampling: exactly(3) });
    await policies.activate(3, { by: 'key-1' });
    await policies.undo({ by: 'key-1' });
    expect(policies.active).toMatchObject({ document: { version: 2 }, activation: { undoes: 3 } });
    await policies.undo({ by: 'key-1' });
    expect(policies.active).toMatchObject({ document: { version: 1 }, activation: { undoes: 2 } });
    await expect(policies.undo({ by: 'key-1' })).rejects.toMatchObject({ reason: 'POLICY_NOT_FOUND' });
    await plane.client.turn({ programId, input: append(someIds(40, 3)), sampling: exactly(3) });
    await plane.client.call('endProgram', { programId });

    const { items } = await policies.activations({ pageSize: 10 });
    expect(items.map(({ version }) => version)).toEqual([1, 2, 3, 2, 1]);
    await expect(policies.activate(9, { by: null })).rejects.toMatchObject({ reason: 'POLICY_NOT_FOUND' });
    await expect(policies.create('none', { note: '', by: null })).rejects.toMatchObject({ reason: 'POLICY_INVALID' });
    await plane.stop();
    const told = (await eventsOf(plane.pool)).filter(({ event }) => event.type === 'policyActivated');
    expect(told.map(({ event }) => event)).toMatchObject([
      { version: 2 },
      { version: 3 },
      { version: 2 },
      { version: 1 },
    ]);
  });

  it('are in the event log, which replays to the same decisions', async () => {
    const plane = await start({ HOLDFAST_DISPATCH_WINDOW: '2' });
    const { policies } = plane.running;
    const ids = [await runProgram(plane)];
    const { version } = await policies.create('holdfast', { note: '', by: null });
    await policies.activate(version, { by: null });
    ids.push(...(await Promise.all([runProgram(plane), runProgram(plane)])));
    await policies.undo({ by: null });
    ids.push(await runProgram(plane));
    await plane.stop();

    const kernel = createKernel({
      profile: parsePolicy('continuum'),
      fencingToken: 1,
      dispatchWindow: 2,
      maxQueuedTurns: 10_000,
    });
    const replayed: Decision[] = [];
    for (const { at, event } of await eventsOf(plane.pool)) {
      for (const command of kernel.handle(event, at as never)) {
        if (command.type === 'recordDecision') replayed.push(command.decision);
      }
    }
    const rows = await decisionsOf(ids);
    expect(rows).toHaveLength(replayed.length);
    expect(rows).toEqual(replayed.map(({ decisionId, at, policy, choice }) => ({ decisionId, at, policy, choice })));
    expect(new Set(rows.map(({ policy }) => policy))).toContain('retention.elastic');
  });

  it('are taken up again by the next process, unless the configuration has changed', async () => {
    const first = await start();
    const { version } = await first.running.policies.create('holdfast', { note: '', by: 'key-1' });
    await first.running.policies.activate(version, { by: 'key-1' });
    await first.stop();

    const second = await start({}, first.pool);
    expect(second.running.policies.active).toMatchObject({ document: { version: 2, policy: 'holdfast' } });
    await second.stop();

    const third = await start({ HOLDFAST_POLICY: 'saga' }, first.pool);
    expect(third.running.policies.active).toMatchObject({ document: { version: 3, policy: 'saga', createdBy: null } });
    await third.stop();
  });
});

const decisionsOf = async (
  programIds: readonly string[],
): Promise<{ decisionId: number; at: number; policy: string; choice: string }[]> => {
  const repository = new DecisionRepository(database);
  const pages = await Promise.all(programIds.map((id) => repository.listByProgram(id, { pageSize: 1_000 })));
  return pages
    .flatMap(({ items }) => items)
    .map(({ decisionId, at, policy, choice }) => ({ decisionId, at, policy, choice }))
    .sort((one, other) => one.decisionId - other.decisionId);
};

describe('what the policies have learned', () => {
  it('survives a restart', async () => {
    const first = await start();
    await runProgram(first);
    await first.stop();
    const stored = await new StatisticsRepository(database).get(first.pool);
    expect(JSON.stringify(stored?.document)).toContain('grep');

    const second = await start({}, first.pool);
    await second.stop();
    const events = await eventsOf(first.pool);
    const loaded = events.filter(({ event }) => event.type === 'statisticsLoaded');
    expect(loaded.map(({ event }) => event)).toEqual([{ type: 'statisticsLoaded', document: stored?.document }]);
    expect((await new StatisticsRepository(database).get(first.pool))?.document).toEqual(stored?.document);
  });

  const repository = (): StatisticsRepository => new StatisticsRepository(database);
  const learned = async ({ pool }: TestPlane): Promise<string> =>
    JSON.stringify((await repository().get(pool))?.document);
  const refit = (jobId: string): Promise<JobJson> => {
    const { handlers } = jobWork(readConfig({ DATABASE_URL: postgres.url }), { database, clock: systemClock() });
    const run = { jobId, attempt: 1, signal: new AbortController().signal };
    return handlers['predictor-refit']({ askedAtMicros: null }, run);
  };

  it('is learned again from what was recorded', async () => {
    const plane = await start();
    await runProgram(plane, 4);
    const { statistics } = plane.running;
    await statistics.synchronise();
    const { version = 0 } = (await repository().get(plane.pool)) ?? {};
    const lost = { document: { version: 1, policies: {} }, savedAt: instant(0) };
    expect(await repository().save(plane.pool, version, lost)).toBe(true);

    const result = await refit(`refit.${plane.pool}`);
    expect(result).toMatchObject({ pools: expect.arrayContaining([{ poolId: plane.pool, calls: 4 }]) });
    const { version: refitted } = (await repository().get(plane.pool)) ?? {};
    expect(await refit(`refit.${plane.pool}`)).toEqual(result);
    expect((await repository().get(plane.pool))?.version).toBe(refitted);
    expect(await learned(plane)).toContain('grep');

    // The kernel is told, and what it knows stays stored.
    await statistics.synchronise();
    await plane.stop();
    expect(await learned(plane)).toContain('grep');
    const told = (await eventsOf(plane.pool)).filter(({ event }) => event.type === 'statisticsLoaded');
    expect(told).toHaveLength(1);
    expect(JSON.stringify(told[0])).toContain('grep');
  });

  it.each(['all of it', 'one tool'])('is forgotten on demand (%s), and is not learned again', async (what) => {
    const plane = await start();
    await runProgram(plane, 4);
    const { statistics } = plane.running;
    await statistics.synchronise();
    expect(await learned(plane)).toContain('grep');
    await (what === 'one tool' ? statistics.forgetTool('grep') : statistics.reset());
    await refit(`refit.${what}.${plane.pool}`);
    expect(await learned(plane)).not.toContain('grep');
    await statistics.synchronise();
    await plane.stop();
    expect(await learned(plane)).not.toContain('grep');
  });
});

describe('jobs of the service', () => {
  it('replay what was recorded under a candidate, beside the active policy', async () => {
    const plane = await start();
    await Promise.all(Array.from({ length: 4 }, () => runProgram(plane)));
    const { policies, jobs } = plane.running;
    await expect(policies.dryRun({ candidate: 'none', by: null })).rejects.toMatchObject({ reason: 'POLICY_INVALID' });
    const { jobId } = await policies.dryRun({ candidate: 'vllm-fcfs', by: 'key-1' });
    const done = await until(async () => {
      const { state, failure } = await jobs.queue.get(jobId);
      if (state === 'deadLetter') throw new Error(failure ?? 'dead');
      return state === 'completed' ? policies.dryRunOf(jobId) : undefined;
    });
    expect(done).toMatchObject({ candidate: 'vllm-fcfs', active: 'continuum', requestedBy: 'key-1' });
    expect(done.result).toMatchObject({
      schema: 'holdfast.dry-run/v1',
      programs: 4,
      turns: 12,
      policies: [
        { policy: 'continuum', finishedPrograms: 4, finishedTurns: 12 },
        { policy: 'vllm-fcfs', finishedPrograms: 4, finishedTurns: 12, pins: { set: 0 } },
      ],
    });
    await expect(policies.dryRunOf('policy-dry-run.none')).rejects.toMatchObject({ reason: 'JOB_NOT_FOUND' });
    await plane.stop();
    expect(await new PolicyRepository(database).dryRun(jobId)).toMatchObject({ result: { programs: 4 } });
  });

  it('run on their schedules', async () => {
    const plane = await start();
    const names = await until(async () => {
      const { items } = await plane.running.jobs.queue.list({ state: 'completed', pageSize: 100 });
      const seen = new Set(items.map(({ name }) => name));
      return seen.size >= 4 ? seen : undefined;
    });
    expect([...names]).toEqual(
      expect.arrayContaining(['decision-roll-up', 'row-retention', 'program-expiry', 'predictor-refit']),
    );
    expect((await plane.running.jobs.queue.counts()).deadLetter).toBe(0);
    await plane.stop();
  });

  it('run in a process that does nothing else, which says whether it is well', async () => {
    const config = readConfig({
      HOLDFAST_ROLES: 'jobs',
      HOLDFAST_HTTP_ADDRESS: '127.0.0.1:0',
      DATABASE_URL: postgres.url,
    });
    const plane = await start({ HOLDFAST_ROLES: 'api,scheduler' });
    await runProgram(plane);
    const worker = await startJobsProcess(config, { logger: pino({ level: 'silent' }), clock: systemClock() });
    const { jobId } = await plane.running.policies.dryRun({ candidate: 'saga', by: null });
    await until(async () => ((await plane.running.jobs.queue.get(jobId)).state === 'completed' ? true : undefined));
    const probe = async (path: string): Promise<number> =>
      (await fetch(`http://${worker.httpAddress}/health/${path}`)).status;
    expect([await probe('live'), await probe('startup'), await probe('ready'), await probe('x')]).toEqual([
      200, 200, 200, 404,
    ]);
    const page = await (await fetch(`http://${worker.httpAddress}/metrics`)).text();
    expect(page).toMatch(/^holdfast_job_run_seconds_count\{job="policy-dry-run",outcome="done"\} 1$/m);
    expect(page).not.toContain('holdfast_lease_held');
    await worker.stop();
    await plane.stop();
  });
});
