import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeStatusDetails, encodeStatusDetails } from './errors.js';

describe('status details', () => {
  it('come back as they were sent, with reason, metadata, retry delay and field violations', () => {
    const details = {
      code: 8,
      message: 'every queue is full',
      reason: 'QUEUE_FULL',
      metadata: { pool: 'llama', queued: '512' },
      retryAfterMicros: 1_250_001,
      fieldViolations: [{ field: 'prompt_ids[3]', description: 'is 999999; allowed: 0 to 128255' }],
    };
    expect(decodeStatusDetails(encodeStatusDetails(details))).toEqual(details);
  });

  it('leave out what was not given', () => {
    const details = { code: 5, message: 'no pin', reason: 'PIN_NOT_FOUND', metadata: {} };
    const decoded = decodeStatusDetails(encodeStatusDetails(details));
    expect(decoded).toEqual(details);
    expect(Object.keys(decoded ?? {})).not.toContain('retryAfterMicros');
  });

  it('round-trip for arbitrary content', () => {
    const text = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(
        fc.record({
          code: fc.integer({ min: 1, max: 16 }),
          message: text,
          reason: fc.stringMatching(/^[A-Z_]{1,63}$/),
          metadata: fc.dictionary(fc.stringMatching(/^[a-zA-Z]{1,20}$/), text, { noNullPrototype: true }),
          retryAfterMicros: fc.integer({ min: 0, max: 86_400_000_000 }),
          fieldViolations: fc.array(fc.record({ field: text, description: text }), { minLength: 1, maxLength: 4 }),
        }),
        (details) => {
          expect(decodeStatusDetails(encodeStatusDetails(details))).toEqual(details);
        },
      ),
    );
  });

  it('of another domain are not read as ours', () => {
    const bytes = encodeStatusDetails({ code: 5, message: '', reason: 'X', metadata: {} });
    const foreign = Buffer.from(bytes.toString('latin1').replace('holdfast', 'somebody'), 'latin1');
    expect(decodeStatusDetails(foreign)).toBeUndefined();
  });

  it.each([[Buffer.from([0xff, 0xff, 0xff])], [Buffer.from('not a status')], [Buffer.alloc(0)]])(
    'that cannot be read are no details: %p',
    (bytes) => {
      expect(decodeStatusDetails(bytes)).toBeUndefined();
    },
  );
});
