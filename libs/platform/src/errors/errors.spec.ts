import { status } from '@grpc/grpc-js';
import { Reason, STATUS_DETAILS_KEY, decodeStatusDetails } from '@holdfast/contracts';
import { millis } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { DomainError, invalidFields, isDomainError } from './domain-error.js';
import { type ErrorLogger, logErrorOnce, toDomainError, toGrpcStatus } from './grpc-status.js';
import { statusTable } from './status-table.js';

interface Line {
  readonly level: string;
  readonly fields: object;
}

function listLogger(): { readonly logger: ErrorLogger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object) => void lines.push({ level, fields });
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}

const detailsOf = (error: unknown): ReturnType<typeof decodeStatusDetails> => {
  const [bytes] = toGrpcStatus(error).metadata.get(STATUS_DETAILS_KEY);
  return Buffer.isBuffer(bytes) ? decodeStatusDetails(bytes) : undefined;
};

describe('toGrpcStatus', () => {
  it('carries the reason, facts and retry delay of a DomainError', () => {
    const error = new DomainError({
      kind: 'exhausted',
      reason: 'QUEUE_FULL',
      message: 'the queue of pool a holds 100 turns; allowed: 100',
      metadata: { poolId: 'a' },
      retryAfter: millis(250),
    });
    const { code, details } = toGrpcStatus(error);
    expect({ code, details }).toEqual({ code: status.RESOURCE_EXHAUSTED, details: error.message });
    expect(detailsOf(error)).toEqual({
      code: status.RESOURCE_EXHAUSTED,
      message: error.message,
      reason: 'QUEUE_FULL',
      metadata: { poolId: 'a' },
      retryAfterMicros: 250_000,
    });
  });

  it('carries every field that is not acceptable', () => {
    const violations = [
      { field: 'sampling.top_p', description: 'is 2; allowed: above 0 to 1' },
      { field: 'request_id', description: 'is empty; allowed: 1 to 128 characters' },
    ];
    const error = invalidFields(violations);
    expect(error.message).toBe(
      'sampling.top_p: is 2; allowed: above 0 to 1; request_id: is empty; allowed: 1 to 128 characters',
    );
    expect(detailsOf(error)?.fieldViolations).toEqual(violations);
  });

  it('tells the caller nothing about an unknown error, and the log everything', () => {
    const { logger, lines } = listLogger();
    const secret = new Error('password is hunter2');
    const { code, details } = toGrpcStatus(secret, logger);
    expect(code).toBe(status.INTERNAL);
    expect(details).not.toContain('hunter2');
    expect(JSON.stringify(detailsOf(secret))).not.toContain('hunter2');
    expect(detailsOf(secret)?.reason).toBe('INTERNAL');
    expect(lines).toEqual([{ level: 'error', fields: { err: secret, reason: 'INTERNAL' } }]);
  });

  it('logs an error once however many edges it crosses, at the level of its kind', () => {
    const { logger, lines } = listLogger();
    const error = new DomainError({ kind: 'notFound', reason: 'PROGRAM_NOT_FOUND', message: 'no program p' });
    logErrorOnce(error, logger);
    toGrpcStatus(error, logger);
    logErrorOnce('thrown text', logger);
    expect(lines.map((line) => line.level)).toEqual(['debug', 'error']);
  });
});

describe('statusTable', () => {
  it('gives each kind its own gRPC status', () => {
    const codes = Object.values(statusTable).map((row) => row.grpc);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes).not.toContain(status.OK);
  });
});

describe('isDomainError', () => {
  it('goes by brand, so that errors of another copy of the package count', () => {
    const ofAnotherCopy = Object.assign(new Error('other'), { [Symbol.for('holdfast.DomainError')]: true });
    expect(isDomainError(ofAnotherCopy)).toBe(true);
    expect(isDomainError(new Error('no'))).toBe(false);
    expect(isDomainError(null)).toBe(false);
  });

  it('keeps a DomainError as it is and wraps anything else with its cause', () => {
    const error = new DomainError({ kind: 'exists', reason: 'PROGRAM_EXISTS', message: 'program p exists' });
    expect(toDomainError(error)).toBe(error);
    expect(toDomainError('text')).toMatchObject({ kind: 'internal', cause: 'text' });
    expect(Object.keys(Reason)).toContain(error.reason);
  });
});
