import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Job, JobResult } from './job.js';

interface StoredResult {
  readonly key: string;
  readonly result: JobResult;
}

/** Results of finished jobs in a folder, so that a run that was cut off goes on where it was. */
export interface ResultStore {
  /** Pure. The result of exactly this job, by this code on this trace, if it is there. */
  get(job: Job): JobResult | undefined;
  /** Modifies the store. The result is on disk when this returns. */
  put(job: Job, result: JobResult): void;
}

/** Pure. A name for a job that changes with everything its result depends on. */
export const jobKey = (job: Job, digests: { readonly code: string; readonly trace: string }): string =>
  createHash('sha256')
    .update(JSON.stringify([digests, job]))
    .digest('hex')
    .slice(0, 32);

/** A store that forgets with the process. */
export const memoryStore = (): ResultStore => {
  const results = new Map<string, JobResult>();
  const keyOf = (job: Job): string => JSON.stringify(job);
  return { get: (job) => results.get(keyOf(job)), put: (job, result) => void results.set(keyOf(job), result) };
};

/** Opens `FOLDER/cells.jsonl`, one result a line. A line that was cut off is dropped. */
export const fileStore = (folder: string, keyOf: (job: Job) => string): ResultStore => {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'cells.jsonl');
  const results = new Map<string, JobResult>();
  if (existsSync(path)) {
    const text = readFileSync(path, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) writeFileSync(path, whole);
    for (const line of whole.split('\n')) {
      if (line === '') continue;
      const { key, result } = JSON.parse(line) as StoredResult;
      results.set(key, result);
    }
  }
  return {
    get: (job) => results.get(keyOf(job)),
    put: (job, result) => {
      const key = keyOf(job);
      results.set(key, result);
      appendFileSync(path, `${JSON.stringify({ key, result } satisfies StoredResult)}\n`);
    },
  };
};
