import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodePageToken, encodePageToken } from '../repositories/page.js';
import { tokenIdsFromBytes, tokenIdsToBytes } from '../model/token-ids.js';
import { type RowOperation, toStatements } from './batch.js';
import { storableJson } from './storable-json.js';

const lease = { poolId: 'pool', fencingToken: 1 };

const operation: fc.Arbitrary<RowOperation> = fc.record({
  table: fc.constantFrom('program', 'turn', 'toolCall', 'pin', 'decision', 'poolEvent', 'request'),
  action: fc.constantFrom('save', 'update'),
  fields: fc.record({
    programId: fc.constantFrom('a', 'b'),
    turnId: fc.constantFrom('t', 'u'),
    toolCallId: fc.constant('c'),
    pinId: fc.constant('x'),
    decisionId: fc.nat(2),
    sequence: fc.nat(2),
    scope: fc.constant('s'),
    requestId: fc.constant('r'),
    engineId: fc.constantFrom('e', undefined),
    reason: fc.constantFrom('why', undefined),
    notAColumn: fc.constant(true),
  }),
});

describe('toStatements', () => {
  it('makes few statements of many operations, parents first, and names each row once', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const statements = toStatements(operations, lease);
        // One save and at most four shapes of update a table, here.
        expect(statements.length).toBeLessThanOrEqual(7 * 5);
        const order = ['program', 'turn', 'toolCall', 'pin', 'decision', 'poolEvent', 'request'];
        const positions = statements.map((statement) => order.indexOf(statement.table));
        expect(positions).toEqual([...positions].sort((a, b) => a - b));
        const rows = statements.reduce((sum, statement) => sum + statement.rows, 0);
        expect(rows).toBeLessThanOrEqual(operations.length);
        for (const { sql } of statements) expect(sql).not.toContain('notAColumn');
      }),
    );
  });
});

/** UTF-8 has no form for half a surrogate pair, so only whole text comes back. */
const isWellFormed = (text: string): boolean => Buffer.from(text).toString() === text;

describe('storableJson', () => {
  const unicode = fc.string({ unit: 'binary', maxLength: 20 });
  const halves = fc
    .array(fc.constantFrom('a', '\0', '\ud83d', '\ude00', '😀'), { maxLength: 8 })
    .map((parts) => parts.join(''));

  it('is JSON without anything that PostgreSQL refuses, and leaves proper text as it is', () => {
    fc.assert(
      fc.property(fc.oneof(unicode, halves), fc.oneof(unicode, halves), (key, text) => {
        const parsed = JSON.parse(storableJson({ [`k${key}`]: [text, 1, null] })) as Record<string, unknown[]>;
        const [stored] = Object.values(parsed)[0] as [string];
        expect(stored).not.toContain('\0');
        expect(isWellFormed(stored)).toBe(true);
        expect(isWellFormed(Object.keys(parsed)[0] ?? '')).toBe(true);
        if (isWellFormed(text) && !text.includes('\0')) expect(stored).toBe(text);
      }),
    );
  });
});

describe('token ids', () => {
  it('come back as they were, from any part of a larger array', () => {
    fc.assert(
      fc.property(fc.uint32Array({ maxLength: 50 }), fc.nat(10), (ids, start) => {
        const part = ids.subarray(Math.min(start, ids.length));
        expect(tokenIdsFromBytes(tokenIdsToBytes(part))).toEqual(part.slice());
      }),
    );
  });

  it('refuse bytes that are no whole number of ids', () => {
    expect(() => tokenIdsFromBytes(new Uint8Array(7))).toThrow('token ids take 7 bytes; allowed is a multiple of 4');
  });
});

describe('page tokens', () => {
  it('come back as they were, whatever the ids hold', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.string({ unit: 'grapheme' }), (at, id) => {
        expect(decodePageToken(encodePageToken([at, id]), ['number', 'string'])).toEqual([at, id]);
      }),
    );
  });
});
