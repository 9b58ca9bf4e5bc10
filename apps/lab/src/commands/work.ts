import { once } from 'node:events';
import { JobWorkers, type JobJson } from '@holdfast/jobs';
import { DomainError } from '@holdfast/platform';
import { seconds } from '@holdfast/scheduling';
import { codeDigest } from '../cells/code-digest.js';
import { ThreadRunner } from '../cells/job-runner.js';
import { LAB_JOBS, LAB_QUEUE, openLabBackend, queueLogger, type LabJobs, type QueuedJob } from '../queue/lab-queue.js';
import { loadTrace } from '../trace-files/load-trace.js';

export interface WorkSettings {
  /** Of the queue. */
  readonly queue: string;
  /** Threads. */
  readonly workers: number;
}

/** Traces whose threads are kept ready; a sweep seldom has more. */
const MOST_TRACES = 4;
/** What runs when the command is stopped may take so long to end; then another worker takes it. */
const STOP_LIMIT = seconds(30);

/** Runs cells of the lab's queue until it is told to stop. */
export const work = async (
  { queue, workers }: WorkSettings,
  { output, signal }: { readonly output: NodeJS.WritableStream; readonly signal: AbortSignal },
): Promise<void> => {
  const backend = await openLabBackend(queue);
  const bench = new WorkBench(workers);
  const jobs = new JobWorkers<LabJobs>({
    name: LAB_QUEUE,
    backend,
    catalogue: LAB_JOBS,
    concurrency: workers,
    handlers: { run: (job) => bench.run(job) },
    logger: queueLogger(),
  });
  try {
    await jobs.ready();
    output.write(`Working on ${new URL(queue).host} with ${workers} threads; Ctrl-C stops.\n`);
    if (!signal.aborted) await once(signal, 'abort');
    await jobs.close(STOP_LIMIT);
  } finally {
    await bench.close();
    await backend.close();
  }
};

/** Threads for each of the latest traces. */
class WorkBench {
  readonly #code = codeDigest();
  readonly #runners = new Map<string, Promise<ThreadRunner>>();

  constructor(private readonly threads: number) {}

  /** Modifies state. Throws a DomainError for a job that this host cannot do: another trace or other code. */
  async run({ code, trace, job }: QueuedJob): Promise<JobJson> {
    if (code !== this.#code) {
      throw impossible(
        'code',
        `is ${code.slice(0, 12)}; this worker has ${this.#code.slice(0, 12)}: run the same version`,
      );
    }
    const runner = await this.#runnerOf(trace, job.trace);
    // As text: a database may put the keys of an object in another order.
    return JSON.stringify(await runner.run(job, () => undefined));
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#runners.values()].map(async (runner) => (await runner).close()));
  }

  async #runnerOf(trace: QueuedJob['trace'], name: string): Promise<ThreadRunner> {
    const key = JSON.stringify([trace, name]);
    let opening = this.#runners.get(key);
    if (opening === undefined) this.#runners.set(key, (opening = this.#open(trace, name)));
    try {
      return await opening;
    } catch (error) {
      this.#runners.delete(key);
      throw error;
    }
  }

  async #open(trace: QueuedJob['trace'], name: string): Promise<ThreadRunner> {
    const loaded = await loadTrace({ name, file: trace.file }, trace);
    if (loaded.digest !== trace.digest) {
      throw impossible(
        'trace',
        `is ${trace.digest.slice(0, 12)}; ${trace.file} on this host is ${loaded.digest.slice(0, 12)}`,
      );
    }
    await this.#makeRoom();
    return new ThreadRunner(new Map([[name, loaded.programs]]), this.threads);
  }

  async #makeRoom(): Promise<void> {
    const [oldest] = this.#runners.keys();
    if (oldest === undefined || this.#runners.size <= MOST_TRACES) return;
    const runner = this.#runners.get(oldest)!;
    this.#runners.delete(oldest);
    await (await runner).close();
  }
}

const impossible = (field: string, description: string): DomainError =>
  new DomainError({ kind: 'invalid', reason: 'FIELD_INVALID', message: `${field} ${description}` });
