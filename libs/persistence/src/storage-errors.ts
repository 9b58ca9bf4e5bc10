import { DomainError } from '@holdfast/platform';
import { millis } from '@holdfast/scheduling';

/** SQLSTATE classes and codes after which the same statement may succeed: the server is away, full or undecided. */
const outageClasses = ['08', '53', '57', '58'];
const outageStates = new Set(['40001', '40P01', '55P03', '25006']);
/** 57014: a statement that was cancelled (by a timeout) may succeed later; kept in the class above on purpose. */
const prismaOutages = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037']);
const socketOutages = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
]);
/** node-postgres has no codes for these. */
const driverOutages =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error/i;

/**
 * Pure. True when a failure means that the database is away for now, rather than that it refused the statement.
 * Looks through causes, as the Prisma adapter wraps driver errors.
 */
export function isOutage(error: unknown): boolean {
  for (let depth = 0, current = error; depth < 6 && typeof current === 'object' && current !== null; depth++) {
    const { code, message, cause, originalCode } = current as Readonly<Record<string, unknown>>;
    if (isOutageCode(code) || isOutageCode(originalCode)) return true;
    if (typeof message === 'string' && driverOutages.test(message)) return true;
    current = cause;
  }
  return false;
}

function isOutageCode(code: unknown): boolean {
  if (typeof code !== 'string') return false;
  if (prismaOutages.has(code) || socketOutages.has(code) || outageStates.has(code)) return true;
  return /^[0-9A-Z]{5}$/.test(code) && outageClasses.includes(code.slice(0, 2));
}

/** Runs a query; an outage becomes a DomainError that callers may retry, anything else passes unchanged. */
export async function fromStorage<Result>(query: () => Promise<Result>): Promise<Result> {
  try {
    return await query();
  } catch (error) {
    throw isOutage(error) ? storageUnavailable('the database cannot be reached', error) : error;
  }
}

/** Pure. The error that callers see while the database is away. */
export function storageUnavailable(message: string, cause?: unknown): DomainError {
  return new DomainError({
    kind: 'unavailable',
    reason: 'STORAGE_UNAVAILABLE',
    message,
    retryAfter: millis(500),
    cause,
  });
}

/** The pool belongs to another replica: nothing of this one is written any more. */
export class LeaseLostError extends DomainError {
  readonly poolId: string;
  readonly fencingToken: number;

  constructor(poolId: string, fencingToken: number) {
    super({
      kind: 'unavailable',
      reason: 'LEASE_LOST',
      message: `pool ${poolId} is scheduled by another replica now (fencing token ${fencingToken} is stale)`,
      metadata: { poolId },
      retryAfter: millis(500),
    });
    this.poolId = poolId;
    this.fencingToken = fencingToken;
  }
}
