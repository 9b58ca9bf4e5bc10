/** Failures as `application/problem+json` (RFC 9457). */
import { type DomainError, logErrorOnce, statusTable, toDomainError, type ErrorLogger } from '@holdfast/platform';
import { toSeconds } from '@holdfast/scheduling';
import { z } from 'zod';
import { named } from './schemas/named.js';

/** The body of every failure. */
export const problemSchema = named(
  'Problem',
  z.strictObject({
    type: z.string().meta({ description: 'URI of the kind of problem: one for each reason.' }),
    title: z.string().meta({ description: 'The reason in words; the same for every problem of the reason.' }),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What is wrong with this very request, and what is allowed.' }),
    instance: z.string().meta({ description: 'Id of the request, as in the log.' }),
    reason: z.string().meta({ description: 'Name of a holdfast.errors.v1.Reason.' }),
    metadata: z.record(z.string(), z.string()),
    violations: z.array(z.strictObject({ field: z.string(), description: z.string() })),
  }),
);

/** A failure, ready to be sent. */
export interface Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: z.output<typeof problemSchema>;
}

/** Statuses that HTTP has a word of its own for; all others come from the table of kinds. */
const statusOfReason: Partial<Record<DomainError['reason'], number>> = {
  VERSION_CONFLICT: 412,
  VERSION_MISSING: 428,
  MESSAGE_TOO_LARGE: 413,
  REQUEST_ID_REUSED: 422,
  POLICY_INVALID: 422,
};

/** Pure. A state that does not allow the call is a conflict to HTTP: the request itself is well-formed. */
const statusOf = ({ kind, reason }: DomainError): number =>
  statusOfReason[reason] ?? (kind === 'precondition' ? 409 : statusTable[kind].http);

/** What the caller is told. Logs a failure once, at the level of its kind. `status` overrides that of the error. */
export const problemOf = (
  thrown: unknown,
  { requestId, logger, status }: { readonly requestId: string; readonly logger: ErrorLogger; readonly status?: number },
): Problem => {
  logErrorOnce(thrown, logger);
  const error = toDomainError(thrown);
  const { reason, message, metadata, fieldViolations, retryAfter } = error;
  const kebab = reason.toLowerCase().replaceAll('_', '-');
  const headers: Record<string, string> = {};
  if (retryAfter !== undefined) headers['retry-after'] = String(Math.ceil(toSeconds(retryAfter)));
  if (error.kind === 'unauthenticated') headers['www-authenticate'] = 'Bearer realm="holdfast"';
  return {
    status: status ?? statusOf(error),
    headers,
    body: {
      type: `urn:holdfast:problem:${kebab}`,
      title: kebab.replaceAll('-', ' '),
      status: status ?? statusOf(error),
      detail: message,
      instance: requestId,
      reason,
      metadata: { ...metadata },
      violations: fieldViolations.map(({ field, description }) => ({ field, description })),
    },
  };
};
