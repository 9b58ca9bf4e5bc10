/** Failures in the shape that OpenAI clients read. */
import { DomainError, logErrorOnce, statusTable, toDomainError, type ErrorLogger } from '@holdfast/platform';
import { millis, toMillisCeil } from '@holdfast/scheduling';

/** A failure as it goes over HTTP. */
export interface OpenAiFailure {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: {
    readonly error: {
      readonly message: string;
      readonly type: string;
      readonly param: string | null;
      readonly code: string;
    };
  };
}

const types: Partial<Record<DomainError['kind'], string>> = {
  invalid: 'invalid_request_error',
  precondition: 'invalid_request_error',
  notFound: 'invalid_request_error',
  exists: 'invalid_request_error',
  conflict: 'invalid_request_error',
  unauthenticated: 'authentication_error',
  forbidden: 'permission_error',
  exhausted: 'rate_limit_error',
};

/** Codes that clients act on; all other reasons go out as they are, in lower case. */
const codes: Partial<Record<DomainError['reason'], string>> = {
  MODEL_NOT_FOUND: 'model_not_found',
  CREDENTIALS_INVALID: 'invalid_api_key',
  PROMPT_TOO_LONG: 'context_length_exceeded',
};

/** Pure. A failure of the request itself, with the HTTP status that names it. */
export const requestFailure = (
  status: number,
  error: { readonly message: string; readonly param?: string; readonly code: string },
): OpenAiFailure => ({
  status,
  headers: {},
  body: {
    error: { message: error.message, type: 'invalid_request_error', param: error.param ?? null, code: error.code },
  },
});

/** Clients know by these words that a shorter conversation may fit, where they do not read the code. */
const TOO_LONG = "this model's maximum context length is exceeded";

const messageOf = (error: DomainError): string => {
  if (error.kind === 'internal') return 'the service failed; the log names the cause';
  return error.reason === 'PROMPT_TOO_LONG' ? `${TOO_LONG}: ${error.message}` : error.message;
};

/** A program may end by its idle limit just before its next turn. Sent again, the request begins another one. */
const repeatable = (error: DomainError): DomainError =>
  error.reason === 'PROGRAM_ENDED'
    ? new DomainError({
        kind: 'unavailable',
        reason: error.reason,
        message: `${error.message}; send the request again`,
        retryAfter: millis(100),
      })
    : error;

/** A failure of the service; a bug is logged, once. */
export const openAiFailure = (thrown: unknown, logger: ErrorLogger): OpenAiFailure => {
  const error = repeatable(toDomainError(thrown));
  if (error.kind === 'internal') logErrorOnce(error, logger);
  const retryAfterMs = error.retryAfter === undefined ? null : toMillisCeil(error.retryAfter);
  return {
    status: statusTable[error.kind].http,
    headers:
      retryAfterMs === null
        ? {}
        : { 'retry-after-ms': String(retryAfterMs), 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) },
    body: {
      error: {
        message: messageOf(error),
        type: types[error.kind] ?? 'server_error',
        param: error.fieldViolations[0]?.field ?? null,
        code: codes[error.reason] ?? error.reason.toLowerCase(),
      },
    },
  };
};
