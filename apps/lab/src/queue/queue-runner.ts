import { setTimeout as sleep } from 'node:timers/promises';
import { JobQueue, type JobBackend, type JobView } from '@holdfast/jobs';
import { codeDigest } from '../cells/code-digest.js';
import type { Job, JobResult } from '../cells/job.js';
import type { JobRunner } from '../cells/job-runner.js';
import { LAB_JOBS, LAB_QUEUE, openLabBackend, queueLogger, type LabJobs, type QueuedTrace } from './lab-queue.js';

/** Between two looks at a job, at first and at most. */
const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 3_000;

/** Has jobs run by whoever works on the queue, on any number of hosts. */
export const queueRunner = async (url: string, traces: ReadonlyMap<string, QueuedTrace>): Promise<JobRunner> =>
  new QueueRunner(await openLabBackend(url), traces);

class QueueRunner implements JobRunner {
  readonly #queue: JobQueue<LabJobs>;
  readonly #code = codeDigest();
  readonly #closed = new AbortController();

  constructor(
    private readonly backend: JobBackend,
    private readonly traces: ReadonlyMap<string, QueuedTrace>,
  ) {
    this.#queue = new JobQueue({ name: LAB_QUEUE, backend, catalogue: LAB_JOBS, logger: queueLogger() });
  }

  async run(job: Job): Promise<JobResult> {
    const trace = this.traces.get(job.trace);
    if (trace === undefined) throw new Error(`trace "${job.trace}" was not loaded`);
    const jobId = await this.#queue.add('run', { code: this.#code, trace, job });
    const before = await this.#queue.get(jobId);
    // A cell that failed in an earlier run of the command gets another chance.
    if (before.state === 'deadLetter') await this.#queue.retry(jobId);
    return resultOf(await this.#untilOver(jobId));
  }

  /** Modifies state. What waits in the queue stays there: its results are found by the same command. */
  async close(): Promise<void> {
    this.#closed.abort(new Error('the runner was closed before the job ended'));
    await this.#queue.close();
    await this.backend.close();
  }

  async #untilOver(jobId: string): Promise<JobView> {
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(LONGEST_LOOK_MS, 1.5 * waitMs)) {
      const view = await this.#queue.get(jobId);
      if (view.state === 'completed' || view.state === 'deadLetter') return view;
      await sleep(waitMs, undefined, { signal: this.#closed.signal });
    }
  }
}

const resultOf = ({ state, failure, result, jobId }: JobView): JobResult => {
  if (state === 'completed') return JSON.parse(String(result)) as JobResult;
  throw new Error(`job ${jobId} failed on every try: ${failure ?? 'no reason is known'}`);
};
