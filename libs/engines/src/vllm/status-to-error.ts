import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { STATUS_DETAILS_KEY, decodeStatusDetails } from '@holdfast/contracts';
import { EngineError, type EngineErrorInit, type EngineErrorReason, isEngineErrorReason } from '../engine-error.js';

/** Which call failed. */
export interface FailedCall {
  readonly engineId: string;
  /** Name of the RPC. */
  readonly method: string;
  /** False when the connection never became ready: then even a deadline means that the engine cannot be reached. */
  readonly wasConnected: boolean;
}

/**
 * Pure. What a failed RPC means. An ErrorInfo of domain "holdfast" decides; without one, as with a stock vLLM, the
 * status code does.
 */
export const statusToError = (error: ServiceError, call: FailedCall): EngineError => {
  const detailed = reasonFromDetails(error.metadata);
  const message = `${call.method}: ${error.details === '' ? error.message : error.details}`;
  const common = { engineId: call.engineId, message, cause: error };
  if (detailed !== undefined) return new EngineError({ ...common, reason: detailed });
  return new EngineError({ ...common, ...meaningOf(error, call) });
};

const reasonFromDetails = (metadata: Metadata | undefined): EngineErrorReason | undefined => {
  const [bytes] = metadata?.get(STATUS_DETAILS_KEY) ?? [];
  const details = typeof bytes === 'object' ? decodeStatusDetails(bytes) : undefined;
  // An engine that shuts down is one that cannot be reached; DRAINING is for the service that the agent talks to.
  if (details?.reason === 'DRAINING') return 'ENGINE_UNREACHABLE';
  return details !== undefined && isEngineErrorReason(details.reason) ? details.reason : undefined;
};

type Meaning = Pick<EngineErrorInit, 'reason' | 'retryable'>;

/** Codes that mean one thing, whatever the call. */
const plainMeanings: Readonly<Partial<Record<status, EngineErrorReason>>> = {
  [status.UNAVAILABLE]: 'ENGINE_UNREACHABLE',
  [status.UNIMPLEMENTED]: 'ENGINE_CAPABILITY_MISSING',
  [status.INVALID_ARGUMENT]: 'FIELD_INVALID',
  [status.OUT_OF_RANGE]: 'FIELD_INVALID',
  // The caller's own abort is told apart before this: here the engine or its shutdown cut the call.
  [status.CANCELLED]: 'ENGINE_UNREACHABLE',
  [status.ABORTED]: 'EPOCH_STALE',
};

const meaningOf = (error: ServiceError, call: FailedCall): Meaning => {
  const plain = plainMeanings[error.code];
  if (plain !== undefined) return { reason: plain };
  switch (error.code) {
    case status.DEADLINE_EXCEEDED:
      return { reason: call.wasConnected ? 'ENGINE_DEADLINE' : 'ENGINE_UNREACHABLE' };
    case status.NOT_FOUND:
      return { reason: call.method === 'Pin' ? 'KV_NOT_RESIDENT' : 'PIN_NOT_FOUND' };
    case status.FAILED_PRECONDITION:
      return { reason: call.method === 'Pin' ? 'KV_NOT_RESIDENT' : 'EPOCH_STALE' };
    case status.RESOURCE_EXHAUSTED:
      return exhausted(error, call);
    default:
      return internal(error);
  }
};

/** The local transport reports its message-size limits with this code, too. */
const exhausted = (error: ServiceError, call: FailedCall): Meaning => {
  if (/^Attempted to send message/.test(error.details)) return { reason: 'MESSAGE_TOO_LARGE' };
  if (/^Received message larger/.test(error.details)) return { reason: 'ENGINE_PROTOCOL_VIOLATED' };
  return { reason: call.method === 'Pin' || call.method === 'Renew' ? 'PIN_CAP_REACHED' : 'QUEUE_FULL' };
};

/**
 * INTERNAL, UNKNOWN and the codes no engine has a use for. Bytes that cannot be parsed will be no better next time; a
 * request that failed inside the engine may succeed in another.
 */
const internal = (error: ServiceError): Meaning => ({
  reason: 'ENGINE_PROTOCOL_VIOLATED',
  retryable: !/pars|deserializ/i.test(error.details),
});
