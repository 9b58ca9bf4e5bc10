/**
 * Which failures are tried again, when, and until when. Every call that changes something carries a request id that
 * stays the same over all tries, so a try that did reach the service has its effect once.
 */
import pRetry from 'p-retry';
import { isHoldfastError, type HoldfastError } from './errors.js';

/** How failed calls are tried again. */
export interface RetryPolicy {
  /** Tries in a row without progress, the first included; 1 means no retries. */
  readonly maxAttempts: number;
  /** Upper bound of the first wait, in milliseconds; it doubles with each failure. */
  readonly initialBackoffMs: number;
  /** Upper bound of every wait that the service did not ask for, in milliseconds. */
  readonly maxBackoffMs: number;
}

/**
 * Reasons under which ABORTED goes away by itself: the pool moved to another replica, the turn was cut by a stop of the
 * service, or its engine restarted. Other conflicts (a request id used twice, a second turn at once) stay as they are.
 */
const PASSING_CONFLICTS = new Set(['LEASE_LOST', 'TURN_INTERRUPTED', 'ENGINE_RESTARTED']);

/** Pure. Whether the same call may succeed if it is sent again unchanged. */
export function isRetryable(error: HoldfastError): boolean {
  switch (error.code) {
    // Not reached, shutting down, or storage or engine away for now.
    case 'UNAVAILABLE':
      return true;
    // One try took too long, or an engine fell silent; the caller's own deadline ends the loop.
    case 'DEADLINE_EXCEEDED':
      return true;
    // Only when the service says that waiting helps. A message that is too large stays too large.
    case 'RESOURCE_EXHAUSTED':
      return error.retryAfterMs !== undefined;
    case 'ABORTED':
      return error.reason !== undefined && PASSING_CONFLICTS.has(error.reason);
    // The caller's own cancellation never comes here. Without a reason of the service's it is a transport that was torn
    // down under the call: a server that stops by force resets its streams with CANCEL.
    case 'CANCELLED':
      return error.reason === undefined;
    // Everything else says that the request is wrong, not allowed, or met a bug: the next try meets it again.
    default:
      return false;
  }
}

/** What decides a wait. */
export interface BackoffInput {
  readonly policy: RetryPolicy;
  /** Failures in a row, from 1. */
  readonly failures: number;
  /** What the service asked for. */
  readonly retryAfterMs?: number | undefined;
  /** Time left in all; the last wait is cut so that a try still fits. Default: no end. */
  readonly remainingMs?: number;
  /** From [0, 1). */
  readonly random: number;
}

/**
 * Pure. The wait before the next try, in milliseconds: exponential with full jitter, so that callers that failed
 * together do not come back together. It is added to what the service asked for, for the same reason.
 */
export function backoffMs(input: BackoffInput): number {
  const { policy, failures, retryAfterMs = 0, remainingMs = Number.POSITIVE_INFINITY, random } = input;
  const bound = Math.min(policy.maxBackoffMs, policy.initialBackoffMs * 2 ** (failures - 1));
  return retryAfterMs + random * Math.min(bound, Math.max(0, remainingMs - retryAfterMs));
}

/** A point in time, on the monotonic clock. */
export class Deadline {
  readonly #atMs: number;

  constructor(timeoutMs: number) {
    this.#atMs = performance.now() + timeoutMs;
  }

  /** Milliseconds left; 0 when it has passed. */
  remainingMs(): number {
    return Math.max(0, this.#atMs - performance.now());
  }
}

/** How one logical call is retried. */
export interface RetryScope {
  readonly policy: RetryPolicy;
  /** No try starts after it; unset for a watch, which has none. */
  readonly deadline?: Deadline | undefined;
  readonly signal: AbortSignal;
  /** Failures that pass by themselves here, although they do not in general. */
  readonly isPassing?: ((error: HoldfastError) => boolean) | undefined;
  /** Told about each failure that is tried again. */
  readonly onRetry: (error: HoldfastError, delayMs: number) => void;
}

/**
 * Runs `attempt` until it succeeds, fails for good, or time or tries are used up; then the last failure is thrown, or
 * the signal's reason if that is why. An attempt calls `progressed` when the service did something new: failures are
 * counted from there, so a long turn outlives any number of short breaks.
 */
export async function withRetries<T>(scope: RetryScope, attempt: (progressed: () => void) => Promise<T>): Promise<T> {
  const { policy, deadline, signal, onRetry } = scope;
  let failures = 0;
  const waitForNext = async (error: unknown): Promise<boolean> => {
    failures += 1;
    if (signal.aborted || !isHoldfastError(error) || failures >= policy.maxAttempts) return false;
    if (!isRetryable(error) && scope.isPassing?.(error) !== true) return false;
    const { retryAfterMs = 0 } = error;
    const remainingMs = deadline?.remainingMs() ?? Number.POSITIVE_INFINITY;
    // Less than a shortest wait is left: the failure at hand says more than one by deadline would.
    if (remainingMs - retryAfterMs < policy.initialBackoffMs) return false;
    const delayMs = backoffMs({ policy, failures, retryAfterMs, remainingMs, random: Math.random() });
    onRetry(error, delayMs);
    await sleep(delayMs, signal);
    return !signal.aborted;
  };
  const progressed = (): void => {
    failures = 0;
  };
  try {
    return await pRetry(() => attempt(progressed), {
      // Tries are counted and spaced here; the loop itself adds neither limit nor wait.
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 0,
      shouldRetry: ({ error }) => waitForNext(error),
    });
  } catch (error) {
    // Whatever an aborted attempt ended with, the caller hears why it was aborted.
    signal.throwIfAborted();
    throw error;
  }
}

const sleep = (delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener('abort', done, { once: true });
  });
