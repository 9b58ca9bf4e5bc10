import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HoldfastError, type HoldfastErrorInit } from './errors.js';
import { Deadline, backoffMs, isRetryable, withRetries, type RetryScope } from './retry.js';

const policy = { maxAttempts: 4, initialBackoffMs: 1, maxBackoffMs: 4 };
const errorOf = (init: Omit<HoldfastErrorInit, 'message'>): HoldfastError =>
  new HoldfastError({ message: 'x', ...init });
const unavailable = errorOf({ code: 'UNAVAILABLE' });

describe('a failure', () => {
  it.each<[Omit<HoldfastErrorInit, 'message'>]>([
    [{ code: 'UNAVAILABLE' }],
    [{ code: 'UNAVAILABLE', reason: 'DRAINING' }],
    [{ code: 'DEADLINE_EXCEEDED', reason: 'ENGINE_DEADLINE' }],
    [{ code: 'RESOURCE_EXHAUSTED', reason: 'QUEUE_FULL', retryAfterMs: 10 }],
    [{ code: 'ABORTED', reason: 'LEASE_LOST' }],
    [{ code: 'ABORTED', reason: 'TURN_INTERRUPTED' }],
    [{ code: 'CANCELLED' }],
  ])('is tried again: %j', (init) => {
    expect(isRetryable(errorOf(init))).toBe(true);
  });

  it.each<[Omit<HoldfastErrorInit, 'message'>]>([
    [{ code: 'INVALID_ARGUMENT', reason: 'FIELD_INVALID' }],
    [{ code: 'NOT_FOUND', reason: 'PROGRAM_NOT_FOUND' }],
    [{ code: 'ALREADY_EXISTS', reason: 'REQUEST_ID_REUSED' }],
    [{ code: 'FAILED_PRECONDITION', reason: 'PROGRAM_ENDED' }],
    [{ code: 'RESOURCE_EXHAUSTED', reason: 'MESSAGE_TOO_LARGE' }],
    [{ code: 'ABORTED' }],
    [{ code: 'ABORTED', reason: 'TURN_RUNNING' }],
    [{ code: 'CANCELLED', reason: 'CALLER_CANCELLED' }],
    [{ code: 'UNAUTHENTICATED' }],
    [{ code: 'PERMISSION_DENIED' }],
    [{ code: 'INTERNAL', reason: 'INTERNAL' }],
    [{ code: 'UNKNOWN' }],
    [{ code: 'DATA_LOSS' }],
  ])('is final: %j', (init) => {
    expect(isRetryable(errorOf(init))).toBe(false);
  });
});

describe('the wait before a retry', () => {
  const realPolicy = { maxAttempts: 20, initialBackoffMs: 100, maxBackoffMs: 5_000 };

  it.each([
    [1, 0.5, 50],
    [2, 0.5, 100],
    [4, 0.25, 200],
    [7, 0.5, 2_500],
    [2_000, 0.5, 2_500],
  ])('after failure %d with random %d is %d ms', (failures, random, expected) => {
    expect(backoffMs({ policy: realPolicy, failures, random })).toBe(expected);
  });

  it.each([
    [300, 0, 0.5, 150],
    [300, 200, 0.5, 250],
    [300, 400, 0.5, 400],
  ])(
    'with %d ms left and %d ms asked for is cut to what is left (random %d: %d ms)',
    (remainingMs, retryAfterMs, random, expected) => {
      expect(backoffMs({ policy: realPolicy, failures: 9, retryAfterMs, remainingMs, random })).toBe(expected);
    },
  );

  it('is never shorter than what the service asked for, and at most the bound longer', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.nat(60_000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, retryAfterMs, random) => {
          const wait = backoffMs({ policy: realPolicy, failures, retryAfterMs, random });
          expect(wait).toBeGreaterThanOrEqual(retryAfterMs);
          expect(wait).toBeLessThanOrEqual(retryAfterMs + 5_000);
        },
      ),
    );
  });
});

describe('a call with retries', () => {
  const scope = (over: Partial<RetryScope> = {}): RetryScope & { retried: HoldfastError[] } => {
    const retried: HoldfastError[] = [];
    return {
      policy,
      deadline: new Deadline(60_000),
      signal: new AbortController().signal,
      onRetry: (error) => retried.push(error),
      retried,
      ...over,
    };
  };
  /** Fails with each of `errors` in turn, then answers. */
  const attempts = (errors: readonly unknown[]): { count: number; run: () => Promise<string> } => {
    const state = {
      count: 0,
      run: (): Promise<string> => {
        const error = errors[state.count];
        state.count += 1;
        return error === undefined ? Promise.resolve('done') : Promise.reject(error as Error);
      },
    };
    return state;
  };

  it('goes on until it succeeds, and tells of each failure', async () => {
    const call = attempts([unavailable, unavailable]);
    const told = scope();
    await expect(withRetries(told, call.run)).resolves.toBe('done');
    expect(call.count).toBe(3);
    expect(told.retried).toEqual([unavailable, unavailable]);
  });

  it('throws the last failure when the tries are used up', async () => {
    const call = attempts(Array.from({ length: 10 }, () => unavailable));
    await expect(withRetries(scope(), call.run)).rejects.toBe(unavailable);
    expect(call.count).toBe(policy.maxAttempts);
  });

  it('counts tries from the last progress', async () => {
    const call = attempts(Array.from({ length: 9 }, () => unavailable));
    const run = (progressed: () => void): Promise<string> => {
      if (call.count % 3 === 0) progressed();
      return call.run();
    };
    await expect(withRetries(scope(), run)).resolves.toBe('done');
    expect(call.count).toBe(10);
  });

  it.each([[errorOf({ code: 'INVALID_ARGUMENT' })], [new TypeError('a bug')]])('throws %s at once', async (error) => {
    const call = attempts([error]);
    await expect(withRetries(scope(), call.run)).rejects.toBe(error);
    expect(call.count).toBe(1);
  });

  it('does not wait past its deadline', async () => {
    const patient = errorOf({ code: 'RESOURCE_EXHAUSTED', retryAfterMs: 3_600_000 });
    const call = attempts([patient]);
    await expect(withRetries(scope(), call.run)).rejects.toBe(patient);
    expect(call.count).toBe(1);
  });

  it('throws the reason of its signal when that aborts during a wait', async () => {
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    const call = attempts([errorOf({ code: 'RESOURCE_EXHAUSTED', retryAfterMs: 50_000 })]);
    const told = scope({ signal: controller.signal, onRetry: () => controller.abort(reason) });
    await expect(withRetries(told, call.run)).rejects.toBe(reason);
    expect(call.count).toBe(1);
  });
});
