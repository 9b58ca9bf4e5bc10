import { DomainError, invalidFields } from '@holdfast/platform';
import { seconds } from '@holdfast/scheduling';
import type { z } from 'zod';

/** Pure. */
export const jobNotFound = (jobId: string): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'JOB_NOT_FOUND',
    message: `there is no job ${jobId}; finished jobs are kept for a while only`,
    metadata: { jobId },
  });

/** Pure. */
export const jobNotFailed = (jobId: string, state: string): DomainError =>
  new DomainError({
    kind: 'precondition',
    reason: 'JOB_NOT_FAILED',
    message: `job ${jobId} is ${state}; only a dead letter can be retried`,
    metadata: { jobId, state },
  });

/** Pure. */
export const queueFull = (queue: string, waiting: number, maxWaiting: number): DomainError =>
  new DomainError({
    kind: 'exhausted',
    reason: 'QUEUE_FULL',
    message: `queue ${queue} has ${waiting} jobs that wait; allowed: ${maxWaiting}; try again later`,
    metadata: { queue },
    retryAfter: seconds(5),
  });

/** Pure. */
export const payloadInvalid = (name: string, { issues }: z.ZodError): DomainError =>
  invalidFields(
    issues.map(({ path, message }) => ({ field: [name, ...path.map(String)].join('.'), description: message })),
  );
