import { Metadata, status } from '@grpc/grpc-js';
import { STATUS_DETAILS_KEY } from '@holdfast/contracts';
import { describe, expect, it } from '@jest/globals';
import { HoldfastError, ProgramEndedError, fromCallError, isHoldfastError } from './errors.js';
import { failure } from './scripted-service.fixture.js';

const call = { rpc: 'RunTurn', address: '127.0.0.1:7070' };

describe('a failed call', () => {
  it('keeps its code, reason, facts, retry delay and field violations', () => {
    const fieldViolations = [{ field: 'sampling.top_p', description: 'is 2; allowed: above 0 to 1' }];
    const error = fromCallError(
      failure('RESOURCE_EXHAUSTED', { reason: 'QUEUE_FULL', retryAfterMs: 250, fieldViolations, facts: { pool: 'x' } }),
      call,
    );
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({
      name: 'HoldfastError',
      code: 'RESOURCE_EXHAUSTED',
      reason: 'QUEUE_FULL',
      metadata: { pool: 'x' },
      retryAfterMs: 250,
      fieldViolations,
      message: 'RunTurn: scripted QUEUE_FULL',
    });
  });

  it('without details has no reason, and its message says where the service was expected', () => {
    const error = fromCallError(failure('UNAVAILABLE'), call) as HoldfastError;
    expect(error.reason).toBeUndefined();
    expect(error.retryAfterMs).toBeUndefined();
    expect(error.fieldViolations).toEqual([]);
    expect(error.message).toBe('RunTurn at 127.0.0.1:7070: scripted UNAVAILABLE');
    expect(error.cause).toMatchObject({ code: status.UNAVAILABLE });
  });

  it('with details that cannot be read counts by its code', () => {
    const metadata = new Metadata();
    metadata.set(STATUS_DETAILS_KEY, Buffer.from([0xff, 0xff]));
    const error = fromCallError(Object.assign(new Error(), { code: 5, details: 'gone', metadata }), call);
    expect(error).toMatchObject({ code: 'NOT_FOUND', metadata: {} });
  });

  it('with a code that gRPC does not have is UNKNOWN', () => {
    const error = fromCallError(Object.assign(new Error(), { code: 99, details: '', metadata: new Metadata() }), call);
    expect(error).toMatchObject({ code: 'UNKNOWN' });
  });

  it('because the program is over is a ProgramEndedError', () => {
    const error = fromCallError(failure('FAILED_PRECONDITION', { reason: 'PROGRAM_ENDED' }), call);
    expect(error).toBeInstanceOf(ProgramEndedError);
    expect(error).toMatchObject({ name: 'ProgramEndedError' });
  });

  it('is known by its brand, and nothing else is', () => {
    const error = new HoldfastError({ code: 'INTERNAL', message: 'x' });
    expect(isHoldfastError(error)).toBe(true);
    for (const other of [new Error('x'), { code: 'INTERNAL' }, 'INTERNAL', null, undefined]) {
      expect(isHoldfastError(other)).toBe(false);
    }
  });

  it('that is no gRPC error comes back as it is', () => {
    const bug = new RangeError('x');
    expect(fromCallError(bug, call)).toBe(bug);
  });
});
