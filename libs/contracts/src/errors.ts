/**
 * The error details that ride on a gRPC status (google.rpc error model): a `google.rpc.Status` in the binary trailer
 * `grpc-status-details-bin`, with ErrorInfo, RetryInfo and BadRequest.
 *
 * The messages come from nice-grpc-error-details. Its entry point does not export `Status` and loads interceptors that
 * nothing here needs, so its generated files are imported by path; the package has no `exports` map, and its version is
 * pinned exactly.
 */
import type { Any } from 'nice-grpc-error-details/lib/proto/google/protobuf/any.js';
import { BadRequest, ErrorInfo, RetryInfo } from 'nice-grpc-error-details/lib/proto/google/rpc/error_details.js';
import { Status } from 'nice-grpc-error-details/lib/proto/google/rpc/status.js';
import { durationFromProto, durationToProto } from './time.js';

/** The trailer that carries the details. */
export const STATUS_DETAILS_KEY = 'grpc-status-details-bin';

/** `ErrorInfo.domain` of every error that Holdfast raises. */
export const ERROR_DOMAIN = 'holdfast';

/** One malformed field. */
export interface FieldViolation {
  /** Path of the field, as in `turn.max_tokens` or `prompt_ids[17]`. */
  readonly field: string;
  /** The value and what is allowed. */
  readonly description: string;
}

/** What a caller can learn about a failed call. */
export interface StatusDetails {
  /** gRPC status code. */
  readonly code: number;
  /** Safe for callers. */
  readonly message: string;
  /** Name of a `holdfast.errors.v1.Reason` without its prefix, as in PIN_NOT_FOUND. */
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** How long to wait before a retry, in microseconds. */
  readonly retryAfterMicros?: number;
  readonly fieldViolations?: readonly FieldViolation[];
}

/** Pure. The value of the trailer `grpc-status-details-bin` (see {@link STATUS_DETAILS_KEY}). */
export const encodeStatusDetails = (details: StatusDetails): Buffer => {
  const packed = [pack(ErrorInfo, { reason: details.reason, domain: ERROR_DOMAIN, metadata: { ...details.metadata } })];
  if (details.retryAfterMicros !== undefined) {
    const delay = durationToProto(details.retryAfterMicros);
    packed.push(pack(RetryInfo, { retryDelay: { seconds: Number(delay.seconds), nanos: delay.nanos } }));
  }
  if (details.fieldViolations !== undefined && details.fieldViolations.length > 0) {
    packed.push(pack(BadRequest, { fieldViolations: details.fieldViolations.map((violation) => ({ ...violation })) }));
  }
  const status = Status.fromPartial({ code: details.code, message: details.message, details: packed });
  return Buffer.from(Status.encode(status).finish());
};

/**
 * Pure. Reads the trailer `grpc-status-details-bin`. Undefined when the bytes are no `google.rpc.Status`, or carry no
 * ErrorInfo of domain "holdfast": then the error is somebody else's, and only its gRPC code counts.
 */
export const decodeStatusDetails = (bytes: Uint8Array): StatusDetails | undefined => {
  try {
    return readStatus(Status.decode(bytes));
  } catch {
    // A peer may send any bytes here; a trailer that cannot be read carries no details.
    return undefined;
  }
};

const readStatus = (status: Status): StatusDetails | undefined => {
  let info: ErrorInfo | undefined;
  let retryAfterMicros: number | undefined;
  let fieldViolations: FieldViolation[] | undefined;
  for (const detail of status.details) {
    switch (typeName(detail)) {
      case ErrorInfo.$type: {
        const candidate = ErrorInfo.decode(detail.value);
        if (candidate.domain === ERROR_DOMAIN) info = candidate;
        break;
      }
      case RetryInfo.$type: {
        const delay = RetryInfo.decode(detail.value).retryDelay;
        if (delay !== undefined) {
          retryAfterMicros = durationFromProto({ seconds: BigInt(delay.seconds), nanos: delay.nanos });
        }
        break;
      }
      case BadRequest.$type:
        fieldViolations = BadRequest.decode(detail.value).fieldViolations.map(({ field, description }) => ({
          field,
          description,
        }));
        break;
      default: // A detail of a kind that Holdfast does not send.
    }
  }
  if (info === undefined) return undefined;
  return {
    code: status.code,
    message: status.message,
    reason: info.reason,
    metadata: info.metadata,
    ...(retryAfterMicros === undefined ? {} : { retryAfterMicros }),
    ...(fieldViolations === undefined ? {} : { fieldViolations }),
  };
};

interface Codec<Message, Partial> {
  readonly $type: string;
  readonly fromPartial: (value: Partial) => Message;
  readonly encode: (message: Message) => { finish(): Uint8Array };
}

const TYPE_PREFIX = 'type.googleapis.com/';

const pack = <Message, Partial>(codec: Codec<Message, Partial>, value: Partial): Omit<Any, '$type'> => ({
  typeUrl: TYPE_PREFIX + codec.$type,
  value: codec.encode(codec.fromPartial(value)).finish() as Buffer,
});

const typeName = (detail: Any): string => detail.typeUrl.slice(detail.typeUrl.lastIndexOf('/') + 1);
