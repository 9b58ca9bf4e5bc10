import { Worker } from 'node:worker_threads';
import type { Job, JobResult, ShareDone } from './job.js';
import { runJob, type Traces } from './run-job.js';

/** Runs jobs, several at a time if it can. Results do not depend on how. */
export interface JobRunner {
  /** Modifies state. Rejects when the job throws, and when the runner is closed before it ends. */
  run(job: Job, done: ShareDone): Promise<JobResult>;
  /** Modifies state. Ends what runs. */
  close(): Promise<void>;
}

/** One job at a time, in this thread. Between jobs the event loop gets its turn. */
export const inlineRunner = (traces: Traces): JobRunner => ({
  run: (job, done) =>
    new Promise((resolve, reject) => {
      setImmediate(() => {
        try {
          resolve(runJob(job, traces, done));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    }),
  close: async () => undefined,
});

/** From a worker to its runner. */
export type WorkerMessage =
  | { readonly type: 'share'; readonly share: number }
  | { readonly type: 'result'; readonly result: JobResult }
  | { readonly type: 'failure'; readonly message: string };

interface Pending {
  readonly job: Job;
  readonly done: ShareDone;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: Error) => void;
}

/** Worker threads, each with its own copy of the traces. */
export class ThreadRunner implements JobRunner {
  readonly #idle: Worker[] = [];
  readonly #workers: Worker[] = [];
  readonly #busy = new Map<Worker, Pending>();
  readonly #waiting: Pending[] = [];
  #isClosed = false;

  constructor(traces: Traces, threads: number) {
    for (let index = 0; index < threads; index += 1) {
      const worker = new Worker(new URL('./job-worker.js', import.meta.url), { workerData: traces });
      worker.on('message', (message: WorkerMessage) => this.#take(worker, message));
      worker.on('error', (error) => this.#fail(worker, error));
      this.#workers.push(worker);
      this.#idle.push(worker);
    }
  }

  run(job: Job, done: ShareDone): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new Error('the runner is closed'));
      this.#waiting.push({ job, done, resolve, reject });
      this.#startWaiting();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const closed = new Error('the runner was closed before the job ended');
    for (const pending of [...this.#busy.values(), ...this.#waiting]) pending.reject(closed);
    this.#busy.clear();
    this.#waiting.length = 0;
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #startWaiting(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const worker = this.#idle.pop()!;
      const pending = this.#waiting.shift()!;
      this.#busy.set(worker, pending);
      worker.postMessage(pending.job);
    }
  }

  #take(worker: Worker, message: WorkerMessage): void {
    const pending = this.#busy.get(worker);
    if (pending === undefined) return;
    if (message.type === 'share') return pending.done(message.share);
    this.#busy.delete(worker);
    this.#idle.push(worker);
    if (message.type === 'result') pending.resolve(message.result);
    else pending.reject(new Error(message.message));
    this.#startWaiting();
  }

  /** A worker that died takes its job with it; the rest go on, as long as there is one. */
  #fail(worker: Worker, error: Error): void {
    this.#busy.get(worker)?.reject(error);
    this.#busy.delete(worker);
    if (this.#busy.size + this.#idle.length > 0) return;
    for (const pending of this.#waiting.splice(0)) pending.reject(error);
  }
}
