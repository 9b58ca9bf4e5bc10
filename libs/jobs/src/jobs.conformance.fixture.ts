/** What a queue does, whatever store it lives in. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DomainError, type ErrorLogger } from '@holdfast/platform';
import { millis, seconds } from '@holdfast/scheduling';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { openJobBackend, type JobBackend, type JobStore } from './backend.js';
import type { JobCatalogue, JobHandlers, JobRun } from './job-definition.js';
import { JobQueue } from './job-queue.js';
import type { JobState, JobView } from './job-view.js';
import { JobWorkers } from './job-workers.js';

interface Payloads {
  readonly greet: { readonly name: string };
  readonly tick: Record<string, never>;
}

const policy = { attempts: 3, backoff: millis(10), timeLimit: seconds(10) };

const catalogue = (changes: Partial<JobCatalogue<Payloads>['greet']> = {}): JobCatalogue<Payloads> => ({
  greet: {
    ...policy,
    summary: 'greets',
    payload: z.object({ name: z.string().min(1) }),
    idOf: ({ name }) => name,
    ...changes,
  },
  tick: { ...policy, summary: 'ticks', payload: z.object({}), idOf: () => 'now' },
});

const noHandlers: JobHandlers<Payloads> = { greet: async () => null, tick: async () => null };

export const quiet: ErrorLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const until = async <Value>(look: () => Promise<Value | undefined>): Promise<Value> => {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const value = await look();
    if (value !== undefined) return value;
    await sleep(50);
  }
  throw new Error('it did not happen within 20 s');
};

/** Every spec has a queue of its own. */
class World {
  readonly name = `spec-${randomUUID()}`;
  readonly queue: JobQueue<Payloads>;
  readonly #closers: (() => Promise<void>)[] = [];

  constructor(
    private readonly backend: JobBackend,
    private readonly kinds = catalogue(),
    maxWaiting = 100,
  ) {
    this.queue = new JobQueue({ name: this.name, backend, catalogue: kinds, maxWaiting, logger: quiet });
    this.#closers.push(() => this.queue.close());
  }

  work(handlers: Partial<JobHandlers<Payloads>>, concurrency = 4): JobWorkers<Payloads> {
    const workers = new JobWorkers({
      name: this.name,
      backend: this.backend,
      catalogue: this.kinds,
      handlers: { ...noHandlers, ...handlers },
      concurrency,
      logger: quiet,
    });
    this.#closers.unshift(() => workers.close(seconds(1)));
    return workers;
  }

  reaches(jobId: string, state: JobState): Promise<JobView> {
    return until(async () => {
      const job = await this.queue.get(jobId);
      return job.state === state ? job : undefined;
    });
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
  }
}

export const jobsConformance = (
  storeName: string,
  start: () => Promise<{ store: JobStore; stop(): Promise<void> }>,
): void =>
  describe(`a job queue on ${storeName}`, () => {
    let backend: JobBackend;
    let stop: () => Promise<void>;

    beforeAll(async () => {
      const started = await start();
      stop = () => started.stop();
      backend = await openJobBackend(started.store, quiet);
    });

    afterAll(async () => {
      await backend.close();
      await stop();
    });

    const inWorld = async (run: (world: World) => Promise<void>, ...options: [JobCatalogue<Payloads>?, number?]) => {
      const world = new World(backend, ...options);
      try {
        await run(world);
      } finally {
        await world.close();
      }
    };

    it('runs a job once and keeps its result', () =>
      inWorld(async (world) => {
        const runs: JobRun[] = [];
        world.work({
          greet: async ({ name }, run) => {
            runs.push(run);
            return { greeting: `hello ${name}` };
          },
        });
        const jobId = await world.queue.add('greet', { name: 'ada' });
        const job = await world.reaches(jobId, 'completed');
        expect(job).toMatchObject({
          jobId: 'greet.ada',
          name: 'greet',
          payload: { name: 'ada' },
          result: { greeting: 'hello ada' },
          attempts: 1,
          failure: null,
        });
        expect(runs).toMatchObject([{ jobId: 'greet.ada', attempt: 1 }]);
      }));

    it('does not add a job twice under one id, running or done', () =>
      inWorld(async (world) => {
        let runs = 0;
        await world.queue.add('greet', { name: 'ada' });
        await world.queue.add('greet', { name: 'ada' });
        expect(await world.queue.counts()).toMatchObject({ waiting: 1 });
        world.work({
          greet: async () => {
            runs += 1;
            return null;
          },
        });
        await world.reaches('greet.ada', 'completed');
        await world.queue.add('greet', { name: 'ada' });
        await world.queue.add('greet', { name: 'eve' });
        await world.reaches('greet.eve', 'completed');
        expect(runs).toBe(2);
      }));

    it('tries again after a failure, and says in which attempt', () =>
      inWorld(async (world) => {
        const attempts: number[] = [];
        world.work({
          greet: async (_, { attempt }) => {
            attempts.push(attempt);
            if (attempt < 3) throw new Error('not yet');
            return 'done';
          },
        });
        const job = await world.reaches(await world.queue.add('greet', { name: 'ada' }), 'completed');
        expect(attempts).toEqual([1, 2, 3]);
        expect(job.result).toBe('done');
      }));

    it('ends a poison job as a dead letter that can be listed, retried and then done', () =>
      inWorld(async (world) => {
        let isBroken = true;
        let runs = 0;
        world.work({
          greet: async () => {
            runs += 1;
            if (isBroken) throw new Error('the table is missing');
            return 'done';
          },
        });
        const jobId = await world.queue.add('greet', { name: 'ada' });
        await world.reaches(jobId, 'deadLetter');
        expect(runs).toBe(3);
        const { items } = await world.queue.list({ state: 'deadLetter', pageSize: 10 });
        expect(items).toMatchObject([{ jobId, attempts: 3, maxAttempts: 3, failure: 'the table is missing' }]);
        isBroken = false;
        await world.queue.retry(jobId);
        expect(await world.reaches(jobId, 'completed')).toMatchObject({ result: 'done' });
        expect(runs).toBe(4);
        expect((await world.queue.list({ state: 'deadLetter', pageSize: 10 })).items).toEqual([]);
      }));

    it('gives up at once when no retry can help', () =>
      inWorld(async (world) => {
        let runs = 0;
        world.work({
          greet: async () => {
            runs += 1;
            throw new DomainError({ kind: 'notFound', reason: 'POOL_NOT_FOUND', message: 'there is no pool x' });
          },
        });
        const jobId = await world.queue.add('greet', { name: 'ada' });
        expect(await world.reaches(jobId, 'deadLetter')).toMatchObject({ failure: 'there is no pool x' });
        expect(runs).toBe(1);
      }));

    it('gives a job up that another version added and this one does not know', () =>
      inWorld(async (world) => {
        const queue = backend.queue(world.name);
        await queue.add('curtsy', {}, { jobId: 'curtsy.1' });
        await queue.add('greet', { name: '' }, { jobId: 'greet.nobody' });
        await queue.close();
        world.work({});
        expect((await world.reaches('curtsy.1', 'deadLetter')).failure).toMatch(/curtsy; known: greet, tick/);
        expect((await world.reaches('greet.nobody', 'deadLetter')).failure).toMatch(/greet\.name/);
      }));

    it('fails a run at its time limit and aborts its signal', () =>
      inWorld(
        async (world) => {
          let wasAborted = false;
          world.work({
            greet: (_, { signal }) =>
              new Promise((resolve) => {
                signal.addEventListener('abort', () => {
                  wasAborted = true;
                  setTimeout(() => resolve(null), 5_000).unref();
                });
              }),
          });
          const job = await world.reaches(await world.queue.add('greet', { name: 'ada' }), 'deadLetter');
          expect(job.failure).toBe('ran for longer than 50 ms');
          expect(wasAborted).toBe(true);
        },
        catalogue({ attempts: 1, timeLimit: millis(50) }),
      ));

    it('refuses what does not fit: payloads, ids, and more than may wait', () =>
      inWorld(
        async (world) => {
          await expect(world.queue.add('greet', { name: '' })).rejects.toMatchObject({ reason: 'FIELD_INVALID' });
          await expect(world.queue.add('greet', { name: 'a:b' })).rejects.toMatchObject({ reason: 'FIELD_INVALID' });
          await world.queue.add('greet', { name: 'ada' });
          await world.queue.add('greet', { name: 'eve' });
          await expect(world.queue.add('greet', { name: 'joe' })).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
        },
        catalogue(),
        2,
      ));

    it('says what there is not', () =>
      inWorld(async (world) => {
        await expect(world.queue.get('greet.ada')).rejects.toMatchObject({ reason: 'JOB_NOT_FOUND' });
        await expect(world.queue.retry('greet.ada')).rejects.toMatchObject({ reason: 'JOB_NOT_FOUND' });
        const jobId = await world.queue.add('greet', { name: 'ada' });
        await expect(world.queue.retry(jobId)).rejects.toMatchObject({ reason: 'JOB_NOT_FAILED' });
        await expect(world.queue.list({ state: 'waiting', pageSize: 0 })).rejects.toMatchObject({
          reason: 'FIELD_INVALID',
        });
        await expect(world.queue.list({ state: 'waiting', pageSize: 1, pageToken: 'nonsense' })).rejects.toMatchObject({
          reason: 'FIELD_INVALID',
        });
      }));

    it('lists by pages, newest first', () =>
      inWorld(async (world) => {
        for (const name of ['a', 'b', 'c', 'd', 'e']) await world.queue.add('greet', { name });
        const seen: string[] = [];
        let pageToken: string | undefined;
        do {
          const page = await world.queue.list({
            state: 'waiting',
            pageSize: 2,
            ...(pageToken === undefined ? {} : { pageToken }),
          });
          seen.push(...page.items.map(({ jobId }) => jobId));
          pageToken = page.nextPageToken;
        } while (pageToken !== undefined);
        expect(seen).toEqual(['greet.e', 'greet.d', 'greet.c', 'greet.b', 'greet.a']);
      }));

    it('runs scheduled work again and again, in one process of several', () => {
      const kinds = catalogue();
      const every = millis(200);
      const scheduled = { ...kinds, tick: { ...kinds.tick, schedule: { every, payload: {} } } };
      return inWorld(async (world) => {
        const jobIds: string[] = [];
        const tick = async (_: unknown, { jobId }: JobRun) => {
          jobIds.push(jobId);
          return null;
        };
        world.work({ tick });
        world.work({ tick });
        await Promise.all([world.queue.schedule(), world.queue.schedule()]);
        await until(async () => (jobIds.length >= 3 ? true : undefined));
        expect(new Set(jobIds).size).toBe(jobIds.length);
      }, scheduled);
    });

    it('forgets the schedule of what has left the catalogue', () => {
      const kinds = catalogue();
      const every = seconds(3_600);
      const scheduled = { ...kinds, tick: { ...kinds.tick, schedule: { every, payload: {} } } };
      return inWorld(async (world) => {
        await world.queue.schedule();
        const reader = backend.queue(world.name);
        expect(await reader.getJobSchedulers()).toHaveLength(1);
        const later = new JobQueue({ name: world.name, backend, catalogue: kinds, logger: quiet });
        await later.schedule();
        expect(await reader.getJobSchedulers()).toHaveLength(0);
        await later.close();
        await reader.close();
      }, scheduled);
    });

    it('lets running jobs end when it closes, and aborts those that take too long', () =>
      inWorld(async (world) => {
        const events: string[] = [];
        const workers = world.work({
          greet: async ({ name }, { signal }) => {
            if (name === 'slow') {
              await new Promise((resolve) => signal.addEventListener('abort', resolve));
              events.push('slow aborted');
              throw new Error('aborted');
            }
            await sleep(100);
            events.push('quick ended');
            return null;
          },
        });
        await world.queue.add('greet', { name: 'quick' });
        await world.queue.add('greet', { name: 'slow' });
        await until(async () => ((await world.queue.counts()).active === 2 ? true : undefined));
        await workers.close(millis(400));
        expect(events).toEqual(['quick ended', 'slow aborted']);
        expect((await world.queue.get('greet.quick')).state).toBe('completed');
        expect(['waiting', 'delayed']).toContain((await world.queue.get('greet.slow')).state);
      }));
  });
