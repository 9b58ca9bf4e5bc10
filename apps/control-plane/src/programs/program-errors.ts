import { DomainError } from '@holdfast/platform';
import { millis } from '@holdfast/scheduling';

/** Pure. The id as its tenant knows it (identity/tenant-ids.ts). */
const known = (programId: string): string => programId.slice(programId.indexOf('~') + 1);

/** Pure. Says the same of a program of another tenant. */
export const programNotFound = (programId: string): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'PROGRAM_NOT_FOUND',
    message: `no program has the id ${JSON.stringify(known(programId))}`,
    metadata: { programId: known(programId) },
  });

/** Pure. */
export const programEnded = (programId: string, outcome: string): DomainError =>
  new DomainError({
    kind: 'precondition',
    reason: 'PROGRAM_ENDED',
    message: `program ${known(programId)} has ended (${outcome}) and takes no further turns or tool calls`,
    metadata: { programId: known(programId), outcome },
  });

/** Pure. */
export const requestIdReused = (requestId: string, scope: string): DomainError =>
  new DomainError({
    kind: 'precondition',
    reason: 'REQUEST_ID_REUSED',
    message: `request_id ${JSON.stringify(requestId)} was used before for ${scope} with another body`,
    metadata: { requestId },
  });

/** Pure. */
export const draining = (): DomainError =>
  new DomainError({
    kind: 'unavailable',
    reason: 'DRAINING',
    message: 'the service is shutting down; try again, and the call reaches the next instance',
    retryAfter: millis(500),
  });

/** Pure. The turn was cut when the service stopped. */
export const turnInterrupted = (turnId: string): DomainError =>
  new DomainError({
    kind: 'unavailable',
    reason: 'TURN_INTERRUPTED',
    message: `turn ${turnId} was cut when the service stopped; send it again with the same request id`,
    metadata: { turnId },
    retryAfter: millis(500),
  });

/** Pure. */
export const callerCancelled = (message: string): DomainError =>
  new DomainError({ kind: 'cancelled', reason: 'CALLER_CANCELLED', message });

/** Pure. The database cannot keep up: nothing new is accepted until it has. */
export const writesBehind = (queued: number): DomainError =>
  new DomainError({
    kind: 'exhausted',
    reason: 'QUEUE_FULL',
    message: `${queued} rows wait for the database, which is as much as the service holds; try again later`,
    retryAfter: millis(500),
  });

/** Pure. */
export const noEngineYet = (): DomainError =>
  new DomainError({
    kind: 'unavailable',
    reason: 'ENGINE_UNREACHABLE',
    message: 'no engine of the pool has been attached yet, so its model is not known; try again later',
    retryAfter: millis(1_000),
  });
