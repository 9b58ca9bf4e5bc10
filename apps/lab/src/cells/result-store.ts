import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Job, JobResult } from './job.js';

/** A line of `cells.jsonl`. */
export interface StoredResult {
  readonly key: string;
  readonly job: Job;
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

const STORE_FILE = 'cells.jsonl';

const wholeLines = (text: string): string => text.slice(0, text.lastIndexOf('\n') + 1);

/** What is in `FOLDER/cells.jsonl`, oldest first; a line that was cut off is left out. Empty without the file. */
export const readStore = (folder: string): readonly StoredResult[] => {
  const path = join(folder, STORE_FILE);
  if (!existsSync(path)) return [];
  const lines = wholeLines(readFileSync(path, 'utf8')).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as StoredResult);
};

/** Opens `FOLDER/cells.jsonl`, one result a line. A line that was cut off is dropped. */
export const fileStore = (folder: string, keyOf: (job: Job) => string): ResultStore => {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, STORE_FILE);
  if (existsSync(path)) {
    const text = readFileSync(path, 'utf8');
    const whole = wholeLines(text);
    if (whole.length < text.length) writeFileSync(path, whole);
  }
  const results = new Map(readStore(folder).map(({ key, result }) => [key, result]));
  return {
    get: (job) => results.get(keyOf(job)),
    put: (job, result) => {
      const key = keyOf(job);
      results.set(key, result);
      appendFileSync(path, `${JSON.stringify({ key, job, result } satisfies StoredResult)}\n`);
    },
  };
};
