import { status } from '@grpc/grpc-js';
import type { ErrorKind } from './domain-error.js';

/** When the same call may be sent again. */
export type RetryAdvice = 'never' | 'afterRead' | 'afterChange' | 'afterDelay' | 'withBackoff' | 'ifIdempotent';

/** How one kind of failure looks from outside. */
export interface StatusRow {
  /** gRPC status code. */
  readonly grpc: status;
  /** HTTP status code (RFC 9457 bodies). */
  readonly http: number;
  readonly retry: RetryAdvice;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** The one mapping from kinds to statuses. A kind without a row does not compile. */
export const statusTable = {
  invalid: { grpc: status.INVALID_ARGUMENT, http: 400, retry: 'never', logLevel: 'debug' },
  unauthenticated: { grpc: status.UNAUTHENTICATED, http: 401, retry: 'never', logLevel: 'info' },
  forbidden: { grpc: status.PERMISSION_DENIED, http: 403, retry: 'never', logLevel: 'info' },
  notFound: { grpc: status.NOT_FOUND, http: 404, retry: 'never', logLevel: 'debug' },
  exists: { grpc: status.ALREADY_EXISTS, http: 409, retry: 'never', logLevel: 'debug' },
  conflict: { grpc: status.ABORTED, http: 409, retry: 'afterRead', logLevel: 'info' },
  precondition: { grpc: status.FAILED_PRECONDITION, http: 400, retry: 'afterChange', logLevel: 'info' },
  exhausted: { grpc: status.RESOURCE_EXHAUSTED, http: 429, retry: 'afterDelay', logLevel: 'info' },
  unavailable: { grpc: status.UNAVAILABLE, http: 503, retry: 'withBackoff', logLevel: 'warn' },
  timeout: { grpc: status.DEADLINE_EXCEEDED, http: 504, retry: 'ifIdempotent', logLevel: 'warn' },
  cancelled: { grpc: status.CANCELLED, http: 499, retry: 'never', logLevel: 'debug' },
  internal: { grpc: status.INTERNAL, http: 500, retry: 'never', logLevel: 'error' },
} as const satisfies Record<ErrorKind, StatusRow>;
