/**
 * The working side of a queue: runs its jobs, a few at a time.
 *
 * A run that fails is tried again after a backoff; a job that fails in its last attempt, or that cannot succeed (an
 * error that no retry helps, a payload that the catalogue does not allow, a name without a handler), is a dead letter.
 * A job whose process died is taken up again by any worker once its lock has run out.
 */
import { isDomainError, statusTable, type ErrorLogger } from '@holdfast/platform';
import { millis, toMillisCeil, type Duration } from '@holdfast/scheduling';
import { type Job, UnrecoverableError } from 'bullmq';
import type { BullWorker, JobBackend } from './backend.js';
import type { JobCatalogue, JobHandlers, JobJson } from './job-definition.js';
import { payloadInvalid } from './job-errors.js';

/** A job that ends its process this often is a dead letter: it is the cause more likely than the victim. */
const MAX_LOST_RUNS = 3;

export interface JobWorkersOptions<Payloads> {
  readonly name: string;
  readonly backend: JobBackend;
  readonly catalogue: JobCatalogue<Payloads>;
  /** One for every kind of the catalogue, or it does not compile. */
  readonly handlers: JobHandlers<Payloads>;
  /** Jobs that run at once in this process. */
  readonly concurrency: number;
  /** How long a job of a process that died stays with it. Default 30 s. */
  readonly lockTime?: Duration;
  /** Told of each run that ended in this process. */
  readonly onRunEnded?: (run: EndedRun) => void;
  readonly logger: ErrorLogger;
}

/** A run of a job. */
export interface EndedRun {
  /** Its kind; `unknown` for a name that the catalogue lacks. */
  readonly job: string;
  /** failed: it will be tried again. */
  readonly outcome: 'done' | 'failed' | 'deadLetter';
  readonly seconds: number;
}

/** See the file header. */
export class JobWorkers<Payloads> {
  readonly #options: JobWorkersOptions<Payloads>;
  readonly #worker: BullWorker;
  readonly #stopping = new AbortController();

  constructor(options: JobWorkersOptions<Payloads>) {
    this.#options = options;
    const { backend, name, concurrency, logger } = options;
    const lockMillis = toMillisCeil(options.lockTime ?? millis(30_000));
    this.#worker = backend.worker(name, (job) => this.#run(job), {
      concurrency,
      lockDuration: lockMillis,
      stalledInterval: lockMillis,
      maxStalledCount: MAX_LOST_RUNS,
    });
    this.#worker.on('error', (err) => logger.warn({ err }, 'the job worker is in trouble'));
    this.#worker.on('stalled', (jobId) => logger.warn({ jobId }, 'job of a process that died is taken up again'));
    this.#worker.on('completed', (job) => this.#tell(job, 'done'));
    this.#worker.on('failed', (job, err) => {
      const { id: jobId, name: job_, attemptsMade: attempt } = job ?? {};
      const isDead = job?.finishedOn !== undefined;
      if (job !== undefined) this.#tell(job, isDead ? 'deadLetter' : 'failed');
      logger[isDead ? 'error' : 'warn'](
        { err, jobId, job: job_, attempt },
        isDead ? 'job is a dead letter now' : 'run of a job failed; it will be tried again',
      );
    });
  }

  /** Resolves when the store answers. */
  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /**
   * Takes no more jobs, and lets those that run end within `limit`. Then their signals abort; what still runs after
   * that is given up and taken up again by another worker.
   */
  async close(limit: Duration): Promise<void> {
    const ended = this.#worker.close();
    if (await endsWithin(toMillisCeil(limit), ended)) return;
    this.#stopping.abort(new Error('the process stops'));
    if (await endsWithin(1_000, ended)) return;
    this.#options.logger.warn({}, 'jobs that did not end were given up');
    await this.#worker.close(true);
  }

  #tell({ name, processedOn, finishedOn }: Job, outcome: EndedRun['outcome']): void {
    const endedAtMs = finishedOn ?? Date.now();
    const seconds = Math.max(0, endedAtMs - (processedOn ?? endedAtMs)) / 1_000;
    const job = Object.hasOwn(this.#options.catalogue, name) ? name : 'unknown';
    this.#options.onRunEnded?.({ job, outcome, seconds });
  }

  async #run(job: Job): Promise<JobJson> {
    const { catalogue, handlers } = this.#options;
    const name = job.name as keyof Payloads & string;
    if (!Object.hasOwn(catalogue, name)) {
      const known = Object.keys(catalogue).join(', ');
      throw new UnrecoverableError(`job name is ${job.name}; known: ${known}`);
    }
    const definition = catalogue[name];
    const parsed = definition.payload.safeParse(job.data);
    if (!parsed.success) throw new UnrecoverableError(payloadInvalid(name, parsed.error).message);
    const overdue = AbortSignal.timeout(toMillisCeil(definition.timeLimit));
    const signal = AbortSignal.any([overdue, this.#stopping.signal]);
    const run = { jobId: String(job.id), attempt: job.attemptsMade + 1, signal };
    try {
      return await unlessAborted(signal, handlers[name](parsed.data, run));
    } catch (error) {
      if (overdue.aborted) {
        throw new Error(`ran for longer than ${toMillisCeil(definition.timeLimit)} ms`, { cause: error });
      }
      throw isHopeless(error) ? new UnrecoverableError(error.message) : error;
    }
  }
}

const isHopeless = (error: unknown): error is Error =>
  isDomainError(error) && ['never', 'afterChange'].includes(statusTable[error.kind].retry);

const unlessAborted = async <Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> => {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};

const endsWithin = async (limitMs: number, work: Promise<unknown>): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([work.then(() => true), limit]);
  } finally {
    clearTimeout(timer);
  }
};
