import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { STATUS_DETAILS_KEY, decodeStatusDetails, type FieldViolation } from '@holdfast/contracts';

/** Name of a gRPC status code, as in `'UNAVAILABLE'`. */
export type StatusCode = keyof typeof status;

/** What a {@link HoldfastError} is made of. */
export interface HoldfastErrorInit {
  readonly code: StatusCode;
  readonly message: string;
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number;
  readonly fieldViolations?: readonly FieldViolation[];
  readonly cause?: unknown;
}

/** Registered, so that two copies of this package recognise each other's errors. */
const brand = Symbol.for('holdfast.HoldfastError');

/**
 * A call that failed for good: retries, where they make sense, are over. Two subclasses exist, for the two cases in
 * which an agent goes on differently: {@link ProgramEndedError} and {@link ReplayDivergedError}.
 */
export class HoldfastError extends Error {
  /** gRPC status code. */
  readonly code: StatusCode;
  /** Why: a name of `holdfast.errors.v1.Reason` without its prefix. Unset when the error is not the service's own. */
  readonly reason: string | undefined;
  /** Facts for programs, e.g. `{ programId }`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How long the service asks to wait before another try, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The fields that were malformed, each with its value and what is allowed. */
  readonly fieldViolations: readonly FieldViolation[];

  constructor(init: HoldfastErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = new.target.name;
    this.code = init.code;
    this.reason = init.reason;
    this.metadata = init.metadata ?? {};
    this.retryAfterMs = init.retryAfterMs;
    this.fieldViolations = init.fieldViolations ?? [];
    Object.defineProperty(this, brand, { value: true });
  }
}

/**
 * The program is over: ended by its owner, or by the service because it was silent for longer than its idle limit. An
 * agent that wants to go on starts a new program with its whole conversation.
 */
export class ProgramEndedError extends HoldfastError {}

/**
 * A turn broke after part of its output had been handed out, and the second run produced other output. What was
 * handed out is not the beginning of any complete answer: drop it and submit the turn anew, with a new request id.
 */
export class ReplayDivergedError extends HoldfastError {}

/** Pure. True for a HoldfastError of any copy of this package: decided by brand, not by class identity. */
export function isHoldfastError(value: unknown): value is HoldfastError {
  return typeof value === 'object' && value !== null && (value as { readonly [brand]?: unknown })[brand] === true;
}

/** Pure. The error for an argument that never reaches the service. */
export function invalidArgument(field: string, description: string): HoldfastError {
  return new HoldfastError({
    code: 'INVALID_ARGUMENT',
    reason: 'FIELD_INVALID',
    message: `${field}: ${description}`,
    fieldViolations: [{ field, description }],
  });
}

/** Which call failed, for messages. */
export interface FailedCall {
  /** Name of the rpc, as in `RunTurn`. */
  readonly rpc: string;
  /** Where the service was expected. */
  readonly address: string;
}

/**
 * Pure. A failed gRPC call as a {@link HoldfastError}, with what rides in `grpc-status-details-bin`. Other errors come
 * back as they are.
 */
export function fromCallError(error: unknown, call: FailedCall): unknown {
  if (!isServiceError(error)) return error;
  const code = codeName(error.code);
  const details = readDetails(error.metadata);
  if (details === undefined) {
    return new HoldfastError({ code, message: `${call.rpc} at ${call.address}: ${error.details}`, cause: error });
  }
  // The details say all there is to say: the gRPC error as a cause would only bury it in bytes when it is printed.
  const init: HoldfastErrorInit = {
    code,
    message: `${call.rpc}: ${error.details}`,
    reason: details.reason,
    metadata: details.metadata,
    // Up, so that a wait is never shorter than what was asked for.
    ...(details.retryAfterMicros === undefined ? {} : { retryAfterMs: Math.ceil(details.retryAfterMicros / 1_000) }),
    ...(details.fieldViolations === undefined ? {} : { fieldViolations: details.fieldViolations }),
  };
  return details.reason === 'PROGRAM_ENDED' ? new ProgramEndedError(init) : new HoldfastError(init);
}

const codeName = (code: number): StatusCode => (status[code] as StatusCode | undefined) ?? 'UNKNOWN';

const readDetails = (metadata: Metadata): ReturnType<typeof decodeStatusDetails> => {
  const [bytes] = metadata.get(STATUS_DETAILS_KEY);
  return typeof bytes === 'object' ? decodeStatusDetails(bytes) : undefined;
};

const isServiceError = (value: unknown): value is ServiceError =>
  typeof value === 'object' && value !== null && 'code' in value && 'details' in value && 'metadata' in value;
