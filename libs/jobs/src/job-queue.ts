/**
 * The asking side of a queue: jobs are added, listed, looked up, and retried when they are dead letters.
 *
 * What waits is bounded (`maxWaiting`), and so are the finished jobs that are kept. The bound is looked up before a job
 * is added, so as many callers as ask at the same instant may pass it.
 */
import { DomainError, invalidFields, type ErrorLogger } from '@holdfast/platform';
import { toMillisCeil } from '@holdfast/scheduling';
import type { Job, JobsOptions } from 'bullmq';
import type { BullQueue, JobBackend } from './backend.js';
import type { JobCatalogue, JobDefinition } from './job-definition.js';
import { jobNotFailed, jobNotFound, payloadInvalid, queueFull } from './job-errors.js';
import { bullStates, jobStateOf, jobStates, toJobView, type JobState, type JobView } from './job-view.js';

/** Largest payload, as JSON. */
const MAX_PAYLOAD_BYTES = 1_048_576;
/** Finished jobs that are kept; the oldest go first. */
const KEPT_COMPLETED = { age: 7 * 86_400, count: 2_000 };
const KEPT_DEAD_LETTERS = { age: 90 * 86_400, count: 2_000 };
export const maxJobPageSize = 200;

export interface JobQueueOptions<Payloads> {
  /** Name of the queue: `holdfast` for the service's own work. */
  readonly name: string;
  readonly backend: JobBackend;
  readonly catalogue: JobCatalogue<Payloads>;
  /** Jobs that may wait, delayed ones included. Default 10,000. */
  readonly maxWaiting?: number;
  readonly logger: ErrorLogger;
}

/** Which jobs to list. */
export interface JobListRequest {
  readonly state: JobState;
  /** 1 to {@link maxJobPageSize}. */
  readonly pageSize: number;
  /** Of the answer before. */
  readonly pageToken?: string;
}

/** See the file header. */
export class JobQueue<Payloads> {
  readonly name: string;
  readonly #options: JobQueueOptions<Payloads>;
  readonly #queue: BullQueue;

  constructor(options: JobQueueOptions<Payloads>) {
    this.#options = options;
    this.name = options.name;
    this.#queue = options.backend.queue(options.name);
    this.#queue.on('error', (err) => options.logger.warn({ err }, 'the job queue is in trouble'));
  }

  /**
   * Adds a job, unless one of the same id is kept already; returns its id.
   *
   * @throws DomainError FIELD_INVALID for a payload that the catalogue does not allow, QUEUE_FULL.
   */
  async add<Name extends keyof Payloads & string>(name: Name, payload: Payloads[Name]): Promise<string> {
    const definition = this.#options.catalogue[name];
    const parsed = definition.payload.safeParse(payload);
    if (!parsed.success) throw payloadInvalid(name, parsed.error);
    const jobId = this.idOf(name, parsed.data);
    await this.#requireRoom();
    await this.#queue.add(name, parsed.data, { ...jobOptions(definition), jobId });
    return jobId;
  }

  /** Pure. The id of the job that a payload asks for. @throws DomainError FIELD_INVALID. */
  idOf<Name extends keyof Payloads & string>(name: Name, payload: Payloads[Name]): string {
    return jobIdOf(name, this.#options.catalogue[name].idOf(payload));
  }

  /** Counts by state. */
  async counts(): Promise<Readonly<Record<JobState, number>>> {
    const counts = await this.#queue.getJobCounts(...jobStates.flatMap((state) => bullStates[state]));
    const sum = (state: JobState): number =>
      bullStates[state].reduce((total, bullState) => total + (counts[bullState] ?? 0), 0);
    return Object.fromEntries(jobStates.map((state) => [state, sum(state)])) as Record<JobState, number>;
  }

  /**
   * Jobs of one state, newest first. Jobs that move on while pages are read may be missed or come twice.
   *
   * @throws DomainError FIELD_INVALID for a page that does not exist.
   */
  async list(
    request: JobListRequest,
  ): Promise<{ readonly items: readonly JobView[]; readonly nextPageToken?: string }> {
    const { state, pageSize } = request;
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > maxJobPageSize) {
      throw invalidFields([{ field: 'page_size', description: `is ${pageSize}; allowed: 1 to ${maxJobPageSize}` }]);
    }
    const from = readPageToken(request.pageToken);
    const jobs = await this.#queue.getJobs([...bullStates[state]], from, from + pageSize, false);
    const items = jobs.slice(0, pageSize).map((job) => toJobView(job, state));
    return jobs.length > pageSize ? { items, nextPageToken: pageTokenOf(from + pageSize) } : { items };
  }

  /** @throws DomainError JOB_NOT_FOUND. */
  async get(jobId: string): Promise<JobView> {
    const { job, state } = await this.#find(jobId);
    return toJobView(job, state);
  }

  /**
   * Lets a dead letter run again, with all of its attempts.
   *
   * @throws DomainError JOB_NOT_FOUND, JOB_NOT_FAILED.
   */
  async retry(jobId: string): Promise<JobView> {
    const { job, state } = await this.#find(jobId);
    if (state !== 'deadLetter') throw jobNotFailed(jobId, state);
    try {
      await job.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
    } catch (error) {
      // Somebody else retried it in between.
      const current = await this.get(jobId);
      if (current.state !== 'deadLetter') throw jobNotFailed(jobId, current.state);
      throw error;
    }
    return this.get(jobId);
  }

  /** Modifies the store: every scheduled kind of the catalogue recurs, and nothing that has left the catalogue does. */
  async schedule(): Promise<void> {
    const { catalogue } = this.#options;
    for (const name of Object.keys(catalogue) as (keyof Payloads & string)[]) {
      const definition = catalogue[name];
      if (definition.schedule === undefined) continue;
      const { every, payload } = definition.schedule;
      await this.#queue.upsertJobScheduler(
        name,
        { every: toMillisCeil(every) },
        { name, data: definition.payload.parse(payload), opts: jobOptions(definition) },
      );
    }
    for (const { key } of await this.#queue.getJobSchedulers()) {
      const isKnown = Object.hasOwn(catalogue, key) && catalogue[key as keyof Payloads].schedule !== undefined;
      if (!isKnown) await this.#queue.removeJobScheduler(key);
    }
  }

  /** Resolves when the store answers. */
  async ready(): Promise<void> {
    await this.#queue.waitUntilReady();
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  async #find(jobId: string): Promise<{ readonly job: Job; readonly state: JobState }> {
    // The state first: what a job has in a state is there when it is read after it.
    const state = jobStateOf(await this.#queue.getJobState(jobId));
    const job = state === null ? undefined : await this.#queue.getJob(jobId);
    if (job === undefined || state === null) throw jobNotFound(jobId);
    return { job, state };
  }

  async #requireRoom(): Promise<void> {
    const { maxWaiting = 10_000, name } = this.#options;
    const { waiting, delayed } = await this.counts();
    if (waiting + delayed >= maxWaiting) throw queueFull(name, waiting + delayed, maxWaiting);
  }
}

const jobIdOf = (name: string, id: string): string => {
  const jobId = `${name}.${id}`;
  if (/^[A-Za-z0-9._-]{1,200}$/.test(jobId)) return jobId;
  const allowed = 'up to 200 letters, digits, ".", "_" and "-"';
  throw new DomainError({
    kind: 'invalid',
    reason: 'FIELD_INVALID',
    message: `job id ${JSON.stringify(jobId)} is not allowed; allowed: ${allowed}`,
  });
};

/** Pure. */
const jobOptions = <Payload>({ attempts, backoff }: JobDefinition<Payload>): JobsOptions => ({
  attempts,
  backoff: { type: 'exponential', delay: toMillisCeil(backoff), jitter: 0.5 },
  removeOnComplete: KEPT_COMPLETED,
  removeOnFail: KEPT_DEAD_LETTERS,
  sizeLimit: MAX_PAYLOAD_BYTES,
  stackTraceLimit: 3,
});

const pageTokenOf = (from: number): string => Buffer.from(String(from)).toString('base64url');

const readPageToken = (token: string | undefined): number => {
  if (token === undefined) return 0;
  const from = Number(Buffer.from(token, 'base64url').toString());
  if (Number.isSafeInteger(from) && from > 0 && pageTokenOf(from) === token) return from;
  const description = `is ${JSON.stringify(token)}; allowed: the next_page_token of the answer before`;
  throw invalidFields([{ field: 'page_token', description }]);
};
