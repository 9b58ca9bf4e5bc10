/** The service's job queues, and their workers: of its own work in processes with the role `jobs`, of chunks where the pool is. */
import {
  JobQueue,
  JobWorkers,
  openJobBackend,
  type EndedRun,
  type JobBackend,
  type JobHandlers,
  type JobStore,
  type JobWorkersOptions,
} from '@holdfast/jobs';
import { seconds, type Duration } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import { serviceCatalogue, SERVICE_QUEUE, type ServicePayloads } from './catalogue.js';
import { chunkCatalogue, chunkQueueOf, type ChunkPayloads } from './chunk-catalogue.js';

/** How long jobs may go on when the service stops; what does not end is done again by another process. */
const DRAIN_LIMIT = seconds(5);
/** Builds wait for a quiet moment of their engine; what is fetched for a turn must not wait for them. */
const CHUNK_CONCURRENCY = 4;

export interface ServiceJobsOptions {
  readonly store: JobStore;
  /** The pool whose chunks this process has to do with; null for none. */
  readonly poolId: string | null;
  readonly metrics: Pick<ServiceMetrics, 'jobRunEnded'>;
  readonly logger: Logger;
}

interface Opened {
  readonly backend: JobBackend;
  readonly queue: JobQueue<ServicePayloads>;
  readonly chunks: JobQueue<ChunkPayloads> | null;
}

/** See the file header. Ask for jobs, list them and retry dead letters through `queue` and `chunks`. */
export class ServiceJobs {
  readonly #options: ServiceJobsOptions;
  #opened: Opened | null = null;
  readonly #workers: { close(limit: Duration): Promise<void> }[] = [];

  constructor(options: ServiceJobsOptions) {
    this.#options = options;
  }

  /** @throws Error before `open` and after `close`. */
  get queue(): JobQueue<ServicePayloads> {
    return this.#store.queue;
  }

  /** @throws Error before `open`, after `close`, and in a process without a pool. */
  get chunks(): JobQueue<ChunkPayloads> {
    const { chunks } = this.#store;
    if (chunks === null) throw new Error('this process has no pool');
    return chunks;
  }

  /** Pure. The queue that a job's id belongs to. @throws as `queue` and `chunks` do. */
  queueOf(jobId: string): JobQueue<ServicePayloads> | JobQueue<ChunkPayloads> {
    return Object.hasOwn(chunkCatalogue, jobId.split('.')[0] ?? '') ? this.chunks : this.queue;
  }

  get #store(): Opened {
    if (this.#opened === null) throw new Error('the job queue is not open');
    return this.#opened;
  }

  /** Modifies state. @throws Error when the store of the queue cannot be reached. */
  async open(): Promise<void> {
    const { store, poolId, logger } = this.#options;
    const backend = await openJobBackend(store, logger);
    const queue = new JobQueue({ name: SERVICE_QUEUE, backend, catalogue: serviceCatalogue, logger });
    const chunks =
      poolId === null ? null : new JobQueue({ name: chunkQueueOf(poolId), backend, catalogue: chunkCatalogue, logger });
    this.#opened = { backend, queue, chunks };
  }

  /** Modifies state. Jobs run in this process from now on, so many at once. */
  async work(handlers: JobHandlers<ServicePayloads>, concurrency: number): Promise<void> {
    await this.queue.schedule();
    await this.#start({ name: SERVICE_QUEUE, catalogue: serviceCatalogue, handlers, concurrency });
  }

  /** Modifies state. Jobs on chunks run in this process from now on. @throws as `chunks` does. */
  async workOnChunks(handlers: JobHandlers<ChunkPayloads>): Promise<void> {
    const { name } = this.chunks;
    await this.#start({ name, catalogue: chunkCatalogue, handlers, concurrency: CHUNK_CONCURRENCY });
  }

  /** Modifies state. Running jobs end, or are given up; then the connections close. */
  async close(): Promise<void> {
    if (this.#opened === null) return;
    const { backend, queue, chunks } = this.#opened;
    await Promise.all(this.#workers.map((workers) => workers.close(DRAIN_LIMIT)));
    await queue.close();
    await chunks?.close();
    await backend.close();
    this.#opened = null;
  }

  async #start<Payloads>(
    work: Pick<JobWorkersOptions<Payloads>, 'name' | 'catalogue' | 'handlers' | 'concurrency'>,
  ): Promise<void> {
    const { metrics, logger } = this.#options;
    const { backend } = this.#store;
    const onRunEnded = (run: EndedRun): void => metrics.jobRunEnded(run);
    const workers = new JobWorkers({ ...work, backend, onRunEnded, logger });
    this.#workers.push(workers);
    await workers.ready();
  }
}
