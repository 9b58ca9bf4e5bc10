import { type Instant, instant } from '@holdfast/scheduling';
import type { Job, JobType } from 'bullmq';
import type { JobJson } from './job-definition.js';

/** Where a job stands. A dead letter has failed in every attempt it was allowed, or can never succeed. */
export const jobStates = ['waiting', 'delayed', 'active', 'completed', 'deadLetter'] as const;
export type JobState = (typeof jobStates)[number];

/** BullMQ's names for them. */
export const bullStates: Readonly<Record<JobState, readonly JobType[]>> = {
  waiting: ['waiting', 'prioritized'],
  delayed: ['delayed'],
  active: ['active'],
  completed: ['completed'],
  deadLetter: ['failed'],
};

/** A job as it is listed. */
export interface JobView {
  readonly jobId: string;
  readonly name: string;
  readonly state: JobState;
  readonly payload: JobJson;
  /** Runs that have ended or begun. */
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly addedAt: Instant;
  /** Begin of the last run; null before the first. */
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
  /** When a delayed job is due. */
  readonly dueAt: Instant | null;
  /** Message of the last failure; null without one. */
  readonly failure: string | null;
  /** What the handler returned; null until then. */
  readonly result: JobJson;
}

const fromMillis = (millis: number | undefined | null): Instant | null =>
  millis === undefined || millis === null ? null : instant(millis * 1_000);

/** Pure. */
export const toJobView = (job: Job, state: JobState): JobView => ({
  jobId: String(job.id),
  name: job.name,
  state,
  payload: job.data as JobJson,
  attempts: job.attemptsMade,
  maxAttempts: job.opts.attempts ?? 1,
  addedAt: instant(job.timestamp * 1_000),
  startedAt: fromMillis(job.processedOn),
  finishedAt: fromMillis(job.finishedOn),
  dueAt: state === 'delayed' ? fromMillis(job.timestamp + job.delay) : null,
  failure: job.failedReason === undefined || job.failedReason === '' ? null : job.failedReason,
  result: (job.returnvalue ?? null) as JobJson,
});

/** Pure. Ours for one of BullMQ's; null for a state that no job of ours has. */
export const jobStateOf = (bullState: string): JobState | null =>
  jobStates.find((state) => bullStates[state].includes(bullState as JobType)) ?? null;
