import { resolve } from 'node:path';
import { openJobBackend, type JobBackend, type JobCatalogue, type JobStore } from '@holdfast/jobs';
import { createLogger, type ErrorLogger } from '@holdfast/platform';
import { seconds } from '@holdfast/scheduling';
import type { ProgramLimits } from '@holdfast/simulation';
import { z } from 'zod';
import type { Job } from '../cells/job.js';
import { jobKey } from '../cells/result-store.js';
import { UsageError } from '../cli/exit.js';
import { filesOf, PROGRAM_SELECTIONS, type LoadedTrace, type ProgramSelection } from '../trace-files/load-trace.js';

/** Name of the lab's queue. */
export const LAB_QUEUE = 'holdfast-lab';

/** A job, and what its result depends on besides: whoever runs it must have the same code and the same trace. */
export interface QueuedJob {
  /** Digest of the code. */
  readonly code: string;
  readonly trace: QueuedTrace;
  readonly job: Job;
}

/** Where a worker finds a trace, and how it reads it. */
export interface QueuedTrace extends ProgramLimits {
  /** Absolute: the hosts share the folder, or have a copy at the same place. */
  readonly file: string;
  readonly select: ProgramSelection;
  /** Of what is read. */
  readonly digest: string;
}

export interface LabJobs {
  readonly run: QueuedJob;
}

/** Pure. */
export const toQueuedTrace = (
  { file, digest }: LoadedTrace,
  { gapCap, maxContextTokens, select }: ProgramLimits & { readonly select: ProgramSelection },
): QueuedTrace => ({
  file: filesOf(file)
    .map((one) => resolve(one))
    .join('+'),
  digest,
  gapCap,
  maxContextTokens,
  select,
});

const payload = z.object({
  code: z.string(),
  trace: z.object({
    file: z.string(),
    digest: z.string(),
    gapCap: z.number(),
    maxContextTokens: z.number(),
    select: z.enum(PROGRAM_SELECTIONS),
  }),
  // Whoever has the same code has the same jobs.
  job: z.custom<Job>((value) => typeof value === 'object' && value !== null && 'kind' in value),
}) as unknown as z.ZodType<QueuedJob>;

/** The one kind of job: its id is the key of its result, so a cell that is in the queue already is not added again. */
export const LAB_JOBS: JobCatalogue<LabJobs> = {
  run: {
    summary: 'simulates one cell',
    payload,
    idOf: ({ job, code, trace }) => jobKey(job, { code, trace: trace.digest }),
    attempts: 3,
    backoff: seconds(1),
    timeLimit: seconds(3_600),
  },
};

export const queueLogger = (): ErrorLogger => createLogger({ level: 'warn', service: 'lab' });

/** Connects. Throws a UsageError for a URL of another kind, or where nothing answers. */
export const openLabBackend = async (url: string): Promise<JobBackend> => {
  const store = storeOf(url);
  try {
    return await openJobBackend(store, queueLogger());
  } catch (error) {
    const { protocol, host } = new URL(url);
    throw new UsageError(`--queue is at ${protocol}//${host}, where no queue answers: ${(error as Error).message}`);
  }
};

const storeOf = (url: string): JobStore => {
  if (/^postgres(ql)?:\/\//.test(url)) return { kind: 'postgres', url };
  if (/^rediss?:\/\//.test(url)) return { kind: 'redis', url };
  throw new UsageError('--queue is no URL of a queue; allowed are postgresql://... and redis://...');
};
