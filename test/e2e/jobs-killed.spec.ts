import { Database, JobEffects, PoolLeaseStore, ProgramRepository, WriteBehind } from '@holdfast/persistence';
import { JobQueue, openJobBackend, type JobBackend, type JobCatalogue, type JobView } from '@holdfast/jobs';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { instant, micros, seconds } from '@holdfast/scheduling';
import { ServiceProcesses } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

// Locks of the killed process run out after 30 s, and are looked for as often.
jest.setTimeout(400_000);

const POOL = 'past';
const PROGRAMS = 4_000;
/** Of each kind; one job deletes a thousand programs. */
const JOBS = 12;
const DAY = 86_400_000_000;

const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The names are those of the service; the ids are the test's own, so that it knows its jobs. */
interface Payloads {
  readonly 'row-retention': { readonly copy?: string };
  readonly 'decision-roll-up': { readonly copy?: string };
  readonly 'policy-dry-run': object;
}
const kind = { summary: '', attempts: 5, backoff: seconds(1), timeLimit: seconds(60) };
const copied = { ...kind, payload: z.object({ copy: z.string() }), idOf: ({ copy }: { copy?: string }) => copy ?? '' };
const catalogue: JobCatalogue<Payloads> = {
  'row-retention': copied,
  'decision-roll-up': copied,
  'policy-dry-run': { ...kind, payload: z.looseObject({}), idOf: (payload) => String(JSON.stringify(payload).length) },
};

let postgres: EmbeddedPostgres;
let database: Database;
let backend: JobBackend;
let queue: JobQueue<Payloads>;
let service: ServiceProcesses;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  database = new Database({ url: postgres.url, logger });
  service = new ServiceProcesses({ engines: 1, timeScale: 1, env: { DATABASE_URL: postgres.url } });
  await service.start();
  backend = await openJobBackend({ kind: 'postgres', url: postgres.url }, logger);
  queue = new JobQueue({ name: 'holdfast', backend, catalogue, logger });
  await addOldPrograms();
}, 180_000);

afterAll(async () => {
  await service.stop();
  await queue.close();
  await backend.close();
  await database.close();
  await postgres.stop();
}, 60_000);

/** Programs that ended long ago, in a pool that nobody schedules. */
const addOldPrograms = async (): Promise<void> => {
  const attempt = await new PoolLeaseStore(database).acquire(POOL, 'test', seconds(600));
  if (!attempt.acquired) throw new Error(`pool ${POOL} is held by ${attempt.heldBy}`);
  const { fencingToken } = attempt.lease;
  const writer = new WriteBehind({ database, logger, poolId: POOL, fencingToken });
  const endedAt = instant(Date.now() * 1_000 - 60 * DAY);
  for (let index = 0; index < PROGRAMS; index += 1) {
    const programId = `past-${index}`;
    writer.save('program', {
      ...{ programId, poolId: POOL, tenantId: 'default', name: '', model: 'm', programClass: 'c', state: 'completed' },
      ...{ idleLimit: micros(1), startedAt: endedAt, lastActiveAt: endedAt, endedAt, priority: 0 },
      ...{ turnsFinished: 0, toolCallsEnded: 0, contextTokens: 0 },
      ...{ promptTokens: 0, cachedTokens: 0, outputTokens: 0, recomputedTokens: 0 },
    });
    if (index % 500 === 0) await writer.flush();
  }
  await writer.close();
};

const addJobs = async (): Promise<string[]> => {
  const jobIds: string[] = [];
  for (let index = 0; index < JOBS; index += 1) {
    const copy = `copy-${index}`;
    jobIds.push(await queue.add('policy-dry-run', dryRun(index)));
    jobIds.push(await queue.add('row-retention', { copy }));
    jobIds.push(await queue.add('decision-roll-up', { copy }));
  }
  return jobIds;
};

const dryRun = (index: number): object => ({
  ...{ poolId: POOL, candidate: `static-ttl:ttl=${'1'.repeat(index + 1)}ms`, active: 'holdfast' },
  ...{ fromMicros: 0, toMicros: 1, dispatchWindow: 2, engines: [{ totalBlocks: null }] },
});

const jobsOf = (jobIds: readonly string[]): Promise<JobView[]> => Promise.all(jobIds.map((jobId) => queue.get(jobId)));

const until = async (isSo: (jobs: readonly JobView[]) => boolean, jobIds: readonly string[]): Promise<JobView[]> => {
  for (let attempt = 0; attempt < 1_500; attempt += 1) {
    const jobs = await jobsOf(jobIds);
    if (isSo(jobs)) return jobs;
    await sleep(200);
  }
  throw new Error(`it did not happen within 300 s; jobs: ${JSON.stringify(await jobsOf(jobIds))}`);
};

const inState = (jobs: readonly JobView[], state: JobView['state']): number =>
  jobs.filter((job) => job.state === state).length;

describe('a service that is killed while jobs run', () => {
  it('has done each of them with one effect after its restart, and nothing is stuck', async () => {
    const jobIds = await addJobs();
    // Twice: amid the first jobs, and amid those that were left.
    for (const done of [2, 8]) {
      await until((jobs) => inState(jobs, 'completed') >= done && inState(jobs, 'active') > 0, jobIds);
      service.controlPlane.signal('SIGKILL');
      await service.controlPlane.ended(10_000);
      expect(inState(await jobsOf(jobIds), 'completed')).toBeLessThan(jobIds.length);
      await service.startControlPlane();
    }
    const jobs = await until((all) => inState(all, 'completed') === all.length, jobIds);

    const effects = new JobEffects(database);
    for (const { jobId, result } of jobs) expect(result).toEqual(await effects.find(jobId));
    const scheduled = (await queue.list({ state: 'completed', pageSize: 200 })).items;
    const all = new Map([...jobs, ...scheduled].map((job) => [job.jobId, job]));
    const deleted = [...all.values()]
      .filter(({ name }) => name === 'row-retention')
      .map(({ result }) => (result as { readonly programs: number }).programs);
    // Each program was deleted by one job, and counted by that one alone.
    expect(deleted.reduce((sum, programs) => sum + programs, 0)).toBe(PROGRAMS);
    expect(await new ProgramRepository(database).get('past-0')).toBeUndefined();
    expect(await queue.counts()).toMatchObject({ active: 0, waiting: 0, deadLetter: 0 });
  });
});
