import { jobStates, type JobView } from '@holdfast/jobs';
import { z } from 'zod';
import { changes, reads, type Operation } from '../operation.js';
import { count, otherId, pageOf, pageQuery, pageSchema, time, timeText, timeTextOrNull } from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import { sharedOwner } from '../whose.js';

const tag = 'jobs';
const common = { tag, isServiceOnly: true } as const;
const params = z.strictObject({ jobId: otherId });

const jobSchema = named(
  'Job',
  z.strictObject({
    jobId: z.string(),
    name: z.string(),
    state: z.enum(jobStates).meta({ description: 'A dead letter has failed in every attempt it was allowed.' }),
    payload: z.unknown(),
    attempts: count,
    maxAttempts: count,
    addedAt: time,
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    dueAt: time.nullable(),
    failure: z.string().nullable(),
    result: z.unknown(),
  }),
);

const jobJson = (job: JobView): z.output<typeof jobSchema> => ({
  jobId: job.jobId,
  name: job.name,
  state: job.state,
  payload: job.payload,
  attempts: job.attempts,
  maxAttempts: job.maxAttempts,
  addedAt: timeText(job.addedAt),
  startedAt: timeTextOrNull(job.startedAt),
  finishedAt: timeTextOrNull(job.finishedAt),
  dueAt: timeTextOrNull(job.dueAt),
  failure: job.failure,
  result: job.result,
});

const queueField = z
  .enum(['service', 'chunks'])
  .optional()
  .meta({ description: "The service's own work, unless `chunks` is asked for: work on chunks of this pool." });

/** Deferred work of the service. */
export const jobOperations: readonly Operation[] = [
  reads({
    ...common,
    id: 'listJobs',
    path: '/jobs',
    summary: 'Jobs of one state, newest first.',
    role: 'viewer',
    params: null,
    query: z.strictObject({ ...pageQuery, state: z.enum(jobStates), queue: queueField }),
    answer: named('JobPage', pageSchema(jobSchema)),
    handle: async ({ jobs }, { query }) => {
      const queue = query.queue === 'chunks' ? jobs.chunks : jobs.queue;
      const { items, nextPageToken } = await queue.list({ state: query.state, ...pageOf(query) });
      return { body: { items: items.map(jobJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  reads({
    ...common,
    id: 'countJobs',
    path: '/jobs/counts',
    summary: 'How many jobs there are, by state.',
    role: 'viewer',
    params: null,
    query: z.strictObject({ queue: queueField }),
    answer: named(
      'JobCounts',
      z.strictObject({ waiting: count, delayed: count, active: count, completed: count, deadLetter: count }),
    ),
    handle: async ({ jobs }, { query }) => ({
      body: await (query.queue === 'chunks' ? jobs.chunks : jobs.queue).counts(),
    }),
  }),
  reads({
    ...common,
    id: 'getJob',
    path: '/jobs/{jobId}',
    summary: 'A job.',
    role: 'viewer',
    params,
    query: null,
    answer: jobSchema,
    handle: async ({ jobs }, { params: asked }) => ({
      body: jobJson(await jobs.queueOf(asked.jobId).get(asked.jobId)),
    }),
  }),
  changes({
    ...common,
    id: 'retryJob',
    method: 'POST',
    path: '/jobs/{jobId}/retry',
    summary: 'Lets a dead letter run again, with all of its attempts.',
    role: 'operator',
    params,
    query: null,
    body: null,
    answer: jobSchema,
    handle: async ({ jobs }, { params: asked }) => {
      const job = await jobs.queueOf(asked.jobId).retry(asked.jobId);
      return { body: jobJson(job), change: { target: `job/${asked.jobId}`, ofTenant: sharedOwner } };
    },
  }),
];
