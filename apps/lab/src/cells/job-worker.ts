import { parentPort, workerData } from 'node:worker_threads';
import type { Job } from './job.js';
import type { WorkerMessage } from './job-runner.js';
import { runJob, type Traces } from './run-job.js';

const port = parentPort;
if (port === null) throw new Error('job-worker runs as a worker thread');

const send = (message: WorkerMessage): void => port.postMessage(message);

port.on('message', (job: Job) => {
  try {
    send({ type: 'result', result: runJob(job, workerData as Traces, (share) => send({ type: 'share', share })) });
  } catch (error) {
    send({ type: 'failure', message: error instanceof Error ? error.message : String(error) });
  }
});
