import { Metadata, type status } from '@grpc/grpc-js';
import { STATUS_DETAILS_KEY, encodeStatusDetails } from '@holdfast/contracts';
import { DomainError, isDomainError } from './domain-error.js';
import { statusTable } from './status-table.js';

/** The part of a pino logger that errors need. */
export type ErrorLogger = {
  readonly [level in 'debug' | 'info' | 'warn' | 'error']: (fields: object, message: string) => void;
};

/** A failed call as grpc-js sends it. */
export interface GrpcStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What a caller learns about a failure that is not a DomainError: nothing about its cause. */
const internalMessage = 'internal error; the service log has the cause';

/** Errors that a log line was written for, so that an error crossing two edges is logged once. */
const logged = new WeakSet<object>();

/**
 * Pure. The DomainError that the caller is told: the error itself, or INTERNAL with a fixed message and the error as
 * its cause.
 */
export function toDomainError(error: unknown): DomainError {
  if (isDomainError(error)) return error;
  return new DomainError({ kind: 'internal', reason: 'INTERNAL', message: internalMessage, cause: error });
}

/**
 * Logs a failure at the level of its kind, with its stack and causes, unless this very error was logged before.
 * Modifies state.
 */
export function logErrorOnce(error: unknown, logger: ErrorLogger): void {
  if (typeof error === 'object' && error !== null) {
    if (logged.has(error)) return;
    logged.add(error);
  }
  const { kind, reason } = toDomainError(error);
  logger[statusTable[kind].logLevel]({ err: error, reason }, 'call failed');
}

/**
 * The gRPC status of a failure: code, a message safe for callers, and google.rpc.Status details in the trailer
 * `grpc-status-details-bin`. With a logger the failure is logged once, at the level of its kind.
 */
export function toGrpcStatus(error: unknown, logger?: ErrorLogger): GrpcStatus {
  if (logger) logErrorOnce(error, logger);
  const { kind, reason, message, metadata: facts, retryAfter, fieldViolations } = toDomainError(error);
  const code = statusTable[kind].grpc;
  const metadata = new Metadata();
  const details = encodeStatusDetails({
    code,
    message,
    reason,
    metadata: facts,
    fieldViolations,
    ...(retryAfter === undefined ? {} : { retryAfterMicros: retryAfter }),
  });
  metadata.set(STATUS_DETAILS_KEY, details);
  return { code, details: message, metadata };
}
