import type { Job, JobResult } from '../cells/job.js';
import { codeDigest } from '../cells/code-digest.js';
import { inlineRunner, ThreadRunner, type JobRunner } from '../cells/job-runner.js';
import { fileStore, jobKey, memoryStore, type ResultStore } from '../cells/result-store.js';
import { Interrupted } from '../cli/exit.js';
import type { ProgressDisplay } from '../output/progress.js';
import { loadTrace, type LoadedTrace } from '../trace-files/load-trace.js';
import { UsageError } from '../cli/exit.js';
import { poolsOf, requireRoom } from './pools.js';
import { requireArrivals } from './recorded-arrivals.js';
import type { ExperimentSettings } from './settings.js';

/** Runs jobs, each one once: what is in the store is not run again. */
export class Laboratory {
  readonly #interrupted: Promise<never>;
  /** Whoever opens one after another waits for one signal: none of them keeps listening. */
  readonly #closed = new AbortController();

  constructor(
    readonly traces: readonly LoadedTrace[],
    private readonly runner: JobRunner,
    private readonly store: ResultStore,
    private readonly progress: ProgressDisplay,
    private readonly signal: AbortSignal,
  ) {
    this.#interrupted = new Promise((_, reject) => {
      const options = { once: true, signal: this.#closed.signal };
      signal.addEventListener('abort', () => reject(new Interrupted('interrupted')), options);
    });
    // Whoever waits for a job hears of it; nobody waits when nothing runs.
    this.#interrupted.catch(() => undefined);
  }

  /** Modifies the store. The result of a job, from the store or by running it. Rejects with Interrupted after Ctrl-C. */
  async result<J extends Job>(job: J): Promise<Extract<JobResult, { readonly kind: J['kind'] }>> {
    const stored = this.store.get(job);
    if (stored !== undefined) {
      this.progress.skip();
      return stored as Extract<JobResult, { readonly kind: J['kind'] }>;
    }
    if (this.signal.aborted) throw new Interrupted('interrupted');
    const share = this.progress.begin(titleOf(job));
    const result = await Promise.race([this.runner.run(job, share), this.#interrupted]);
    this.store.put(job, result);
    share(1);
    return result as Extract<JobResult, { readonly kind: J['kind'] }>;
  }

  /** All of them, at once as far as there are threads. */
  results<J extends Job>(jobs: readonly J[]): Promise<Extract<JobResult, { readonly kind: J['kind'] }>[]> {
    this.progress.expect(jobs.length);
    return Promise.all(jobs.map((job) => this.result(job)));
  }

  /** Modifies state. Ends threads and bars. */
  async close(): Promise<void> {
    this.progress.end();
    this.#closed.abort();
    await this.runner.close();
  }
}

const titleOf = (job: Job): string =>
  job.kind === 'cell' ? `${job.policy} ${job.load} #${job.seed}` : `load 1.0 of ${job.trace}`;

/** Loads the traces and opens the store. Throws before anything is written if a trace is bad or does not fit. */
export const openLaboratory = async (
  settings: ExperimentSettings,
  { progress, signal }: { readonly progress: ProgressDisplay; readonly signal: AbortSignal },
): Promise<Laboratory> => {
  const { out } = settings;
  const traces: LoadedTrace[] = [];
  for (const argument of settings.traces) traces.push(await loadTrace(argument, settings));
  const programs = new Map(traces.map((trace) => [trace.name, trace.programs]));
  if (programs.size < traces.length) {
    throw new UsageError(
      `--trace has a name twice (${traces.map(({ name }) => name).join(', ')}); name them: NAME=FILE`,
    );
  }
  for (const trace of traces) for (const pool of poolsOf(settings)) requireRoom(trace, pool);
  if (settings.arrival.arrivals === 'trace') for (const trace of traces) requireArrivals(trace, settings);
  const digestOf = new Map(traces.map(({ name, digest }) => [name, digest]));
  const code = out === null ? '' : codeDigest();
  const store =
    out === null ? memoryStore() : fileStore(out, (job) => jobKey(job, { code, trace: digestOf.get(job.trace) ?? '' }));
  const runner = await openRunner(settings, traces);
  return new Laboratory(traces, runner, store, progress, signal);
};

const openRunner = async (settings: ExperimentSettings, traces: readonly LoadedTrace[]): Promise<JobRunner> => {
  const { workers, queue } = settings;
  if (queue !== null) {
    // Loaded for those who have a queue only: it brings two database clients with it.
    const { queueRunner } = await import('../queue/queue-runner.js');
    const { toQueuedTrace } = await import('../queue/lab-queue.js');
    return queueRunner(queue, new Map(traces.map((trace) => [trace.name, toQueuedTrace(trace, settings)])));
  }
  const programs = new Map(traces.map((trace) => [trace.name, trace.programs]));
  return workers === 0 ? inlineRunner(programs) : new ThreadRunner(programs, workers);
};
