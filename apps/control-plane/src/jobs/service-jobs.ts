/** The service's job queue, and its workers in processes with the role `jobs`. */
import { JobQueue, JobWorkers, openJobBackend, type JobBackend, type JobHandlers, type JobStore } from '@holdfast/jobs';
import { seconds } from '@holdfast/scheduling';
import type { Logger } from 'pino';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import { serviceCatalogue, SERVICE_QUEUE, type ServicePayloads } from './catalogue.js';

/** How long jobs may go on when the service stops; what does not end is done again by another process. */
const DRAIN_LIMIT = seconds(5);

export interface ServiceJobsOptions {
  readonly store: JobStore;
  readonly metrics: Pick<ServiceMetrics, 'jobRunEnded'>;
  readonly logger: Logger;
}

/** See the file header. Ask for jobs, list them and retry dead letters through `queue`. */
export class ServiceJobs {
  readonly #options: ServiceJobsOptions;
  #opened: { readonly backend: JobBackend; readonly queue: JobQueue<ServicePayloads> } | null = null;
  #workers: JobWorkers<ServicePayloads> | null = null;

  constructor(options: ServiceJobsOptions) {
    this.#options = options;
  }

  /** @throws Error before `open` and after `close`. */
  get queue(): JobQueue<ServicePayloads> {
    return this.#store.queue;
  }

  get #store(): { readonly backend: JobBackend; readonly queue: JobQueue<ServicePayloads> } {
    if (this.#opened === null) throw new Error('the job queue is not open');
    return this.#opened;
  }

  /** Modifies state. @throws Error when the store of the queue cannot be reached. */
  async open(): Promise<void> {
    const { store, logger } = this.#options;
    const backend = await openJobBackend(store, logger);
    const queue = new JobQueue({ name: SERVICE_QUEUE, backend, catalogue: serviceCatalogue, logger });
    this.#opened = { backend, queue };
  }

  /** Modifies state. Jobs run in this process from now on, so many at once. */
  async work(handlers: JobHandlers<ServicePayloads>, concurrency: number): Promise<void> {
    await this.queue.schedule();
    this.#workers = new JobWorkers({
      name: SERVICE_QUEUE,
      backend: this.#store.backend,
      catalogue: serviceCatalogue,
      handlers,
      concurrency,
      onRunEnded: (run) => this.#options.metrics.jobRunEnded(run),
      logger: this.#options.logger,
    });
    await this.#workers.ready();
  }

  /** Modifies state. Running jobs end, or are given up; then the connections close. */
  async close(): Promise<void> {
    if (this.#opened === null) return;
    const { backend, queue } = this.#opened;
    await this.#workers?.close(DRAIN_LIMIT);
    await queue.close();
    await backend.close();
    this.#opened = null;
  }
}
