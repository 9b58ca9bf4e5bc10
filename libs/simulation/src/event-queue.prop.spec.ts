import { describe, expect, it } from '@jest/globals';
import { instant } from '@holdfast/scheduling';
import fc from 'fast-check';
import { EventQueue } from './event-queue.js';

interface Pushed {
  readonly at: number;
  readonly priority: number;
  readonly sequence: number;
}

describe('event queue', () => {
  it('always hands over what a sort of everything inside would put first', () => {
    const operation = fc.oneof(
      { weight: 3, arbitrary: fc.record({ at: fc.nat(9), priority: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.constant('pop' as const) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200, size: 'max' }), (operations) => {
        const queue = new EventQueue<Pushed>();
        const inside: Pushed[] = [];
        operations.forEach((next, sequence) => {
          if (next === 'pop') {
            inside.sort((a, b) => a.at - b.at || a.priority - b.priority || a.sequence - b.sequence);
            expect(queue.pop()?.payload).toBe(inside.shift());
          } else {
            const pushed = { ...next, sequence };
            inside.push(pushed);
            queue.push(instant(next.at), next.priority, pushed);
          }
          expect(queue.size).toBe(inside.length);
        });
      }),
    );
  });
});
