import type { FieldViolation, Reason } from '@holdfast/contracts';
import type { Duration } from '@holdfast/scheduling';

/** What sort of failure it is; decides status codes, retries and log level (status-table.ts). */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'notFound'
  | 'exists'
  | 'conflict'
  | 'precondition'
  | 'exhausted'
  | 'unavailable'
  | 'timeout'
  | 'cancelled'
  | 'internal';

/** A reason as it travels: a name of holdfast.errors.v1.Reason without its prefix. */
export type ReasonName = Exclude<keyof typeof Reason, 'UNSPECIFIED' | 'UNRECOGNIZED'>;

/** What a {@link DomainError} is made of. */
export interface DomainErrorInit {
  readonly kind: ErrorKind;
  readonly reason: ReasonName;
  /** For the caller: names the field, the value and what is allowed. Holds no secrets. */
  readonly message: string;
  /** Facts for programs, e.g. `{ programId }`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** When trying again can help. */
  readonly retryAfter?: Duration;
  readonly fieldViolations?: readonly FieldViolation[];
  readonly cause?: unknown;
}

/** Registered, so that two copies of this package recognise each other's errors. */
const brand = Symbol.for('holdfast.DomainError');

/** A failure that the caller may know about. Everything else reaches the caller as INTERNAL without a cause. */
export class DomainError extends Error {
  readonly kind: ErrorKind;
  readonly reason: ReasonName;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfter?: Duration;
  readonly fieldViolations: readonly FieldViolation[];

  constructor(init: DomainErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = new.target.name;
    this.kind = init.kind;
    this.reason = init.reason;
    this.metadata = init.metadata ?? {};
    this.fieldViolations = init.fieldViolations ?? [];
    if (init.retryAfter !== undefined) this.retryAfter = init.retryAfter;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** Pure. True for a DomainError of any copy of this package: decided by brand, not by class identity. */
export function isDomainError(value: unknown): value is DomainError {
  return typeof value === 'object' && value !== null && (value as { readonly [brand]?: unknown })[brand] === true;
}

/** Pure. An `invalid` error of one or more fields; its message lists them all. */
export function invalidFields(
  violations: readonly FieldViolation[],
  reason: ReasonName = 'FIELD_INVALID',
): DomainError {
  const message = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return new DomainError({ kind: 'invalid', reason, message, fieldViolations: violations });
}
