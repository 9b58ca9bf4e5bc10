import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ProgramContext } from '../programs/program-context.js';
import { TokenBuffer } from './token-buffer.js';

const ids = fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { maxLength: 200 });

describe('TokenBuffer', () => {
  it('behaves like an array of numbers', () => {
    const step = fc.oneof(ids, fc.integer({ min: 0, max: 300 }));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const buffer = new TokenBuffer();
        let model: number[] = [];
        for (const change of steps) {
          if (typeof change === 'number') {
            buffer.truncate(change);
            model = model.slice(0, change);
          } else {
            buffer.append(change);
            model = [...model, ...change];
          }
        }
        expect([...buffer.view()]).toEqual(model);
        expect(buffer.length).toBe(model.length);
      }),
    );
  });

  it('finds the shared prefix', () => {
    fc.assert(
      fc.property(ids, ids, ids, (shared, a, b) => {
        const buffer = new TokenBuffer([...shared, ...a]);
        const other = [...shared, ...b];
        const length = buffer.sharedPrefix(other);
        expect([...buffer.view(0, length)]).toEqual(other.slice(0, length));
        expect(buffer.view()[length] === undefined || buffer.view()[length] !== other[length]).toBe(true);
      }),
    );
  });

  it('takes little more memory than its tokens', () => {
    const buffer = new TokenBuffer();
    for (let count = 0; count < 10_000; count += 1) buffer.append([count]);
    expect(buffer.capacityBytes).toBeLessThanOrEqual(2 * 4 * 10_000 + 256);
  });
});

describe('ProgramContext', () => {
  it('is as before when a prompt is rolled back, whatever the prompt was', () => {
    fc.assert(
      fc.property(ids, ids, fc.integer({ min: 0, max: 200 }), fc.boolean(), (before, given, kept, isWhole) => {
        const context = new ProgramContext(before);
        const whole = [...before.slice(0, kept), ...given];
        const prepared = isWhole ? context.replace(whole) : context.append(given);
        expect([...prepared.promptIds]).toEqual(isWhole ? whole : [...before, ...given]);
        expect([...prepared.promptIds.subarray(prepared.sharedTokens)]).toEqual([...prepared.appendedIds]);
        expect(prepared.isCompaction).toBe(prepared.sharedTokens < before.length);
        prepared.rollBack();
        expect([...context.view()]).toEqual(before);
      }),
    );
  });
});
