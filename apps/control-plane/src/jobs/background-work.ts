/** What the service does beside serving turns: policies and statistics outlive the process, and jobs run. */
import type { ChunkManager } from '../chunks/chunk-manager.js';
import type { PolicyService } from '../policies/policy-service.js';
import type { StatisticsKeeper } from '../statistics/statistics-keeper.js';
import type { JobWork } from './job-work.js';
import type { ServiceJobs } from './service-jobs.js';

export interface BackgroundWorkOptions {
  readonly policies: PolicyService;
  readonly statistics: StatisticsKeeper;
  readonly jobs: ServiceJobs;
  /** Null: another process runs the jobs. */
  readonly work: JobWork | null;
  /** Null: no engine of the pool stores chunks. */
  readonly chunks: ChunkManager | null;
}

/** See the file header. */
export class BackgroundWork {
  readonly #options: BackgroundWorkOptions;

  constructor(options: BackgroundWorkOptions) {
    this.#options = options;
  }

  /** Modifies state. Before any program: the kernel gets the active policy and what was learned. */
  async prepare(): Promise<void> {
    await this.#options.jobs.open();
    await this.#options.policies.restore();
    await this.#options.statistics.start();
  }

  /** Modifies state. Jobs run from now on, unless another process runs them; those on chunks are of the pool's process. */
  async start(): Promise<void> {
    const { jobs, work, chunks } = this.#options;
    if (work !== null) await jobs.work(work.handlers, work.concurrency);
    if (chunks === null) return;
    await jobs.workOnChunks({
      'chunk-build': (payload, run) => chunks.jobs.build(payload, run),
      'chunk-prefetch': (payload, run) => chunks.jobs.prefetch(payload, run),
    });
    chunks.foresight.askBy((name, payload) => jobs.chunks.add(name, payload));
  }

  /** Modifies state. Running jobs end or are given up. */
  stopJobs(): Promise<void> {
    return this.#options.jobs.close();
  }

  /** Modifies state. What was learned is saved once more. */
  saveStatistics(): Promise<void> {
    return this.#options.statistics.stop();
  }
}
