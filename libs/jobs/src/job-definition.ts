import type { Duration } from '@holdfast/scheduling';
import type { z } from 'zod';

/** What there is to know of one kind of deferred work besides how it is done. */
export interface JobDefinition<Payload> {
  /** One line for people. */
  readonly summary: string;
  /** Checked when the job is added and again before it runs: it may come from another version. */
  readonly payload: z.ZodType<Payload>;
  /**
   * Names the work, so that asking twice has one effect: a job of this id that is kept already is not added again.
   * Letters, digits, `.`, `_` and `-`.
   */
  readonly idOf: (payload: Payload) => string;
  /** Runs at most, the first included; after the last the job is a dead letter. */
  readonly attempts: number;
  /** Before the second run; doubled before each later one, with jitter of half of it. */
  readonly backoff: Duration;
  /** One run may take this long; then its signal aborts and the run has failed. */
  readonly timeLimit: Duration;
  /** Run at this interval, by one of all processes, with this payload. */
  readonly schedule?: { readonly every: Duration; readonly payload: Payload };
}

/** Kinds of jobs by name: the one place that knows their payloads, attempts, backoff and ids. */
export type JobCatalogue<Payloads> = { readonly [Name in keyof Payloads]: JobDefinition<Payloads[Name]> };

/** Anything JSON can hold: what jobs take and return. */
export type JobJson =
  string | number | boolean | null | readonly JobJson[] | { readonly [key: string]: JobJson | undefined };

/** One run of a job, as its handler sees it. */
export interface JobRun {
  /** The same in every run of the job, also after a crash: the key of its one effect. */
  readonly jobId: string;
  /** From 1. */
  readonly attempt: number;
  /** Aborts at the time limit and when the process stops. */
  readonly signal: AbortSignal;
}

/** How each kind is done. A handler may run again after a crash; what it changes must have one effect for one job id. */
export type JobHandlers<Payloads> = {
  readonly [Name in keyof Payloads]: (payload: Payloads[Name], run: JobRun) => Promise<JobJson>;
};
