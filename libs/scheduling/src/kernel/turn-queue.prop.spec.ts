import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { TurnRecord } from './state.js';
import { compareTurns, TurnQueue } from './turn-queue.js';

const aTurn = (rank: number, sequence: number): TurnRecord =>
  ({ rank, sequence, submittedAt: sequence % 3, heapIndex: -1 }) as unknown as TurnRecord;

describe('the queue of waiting turns', () => {
  it('gives them back in total order, whatever was removed or reranked on the way', () => {
    const operations = fc.array(
      fc.record({ what: fc.constantFrom('push', 'push', 'remove', 'rerank'), rank: fc.nat(20), which: fc.nat() }),
    );
    fc.assert(
      fc.property(operations, (history) => {
        const queue = new TurnQueue();
        const inside: TurnRecord[] = [];
        history.forEach(({ what, rank, which }, index) => {
          const turn = inside[which % Math.max(1, inside.length)];
          if (what === 'push') {
            inside.push(aTurn(rank, index));
            queue.push(inside[inside.length - 1] as TurnRecord);
          } else if (turn !== undefined && what === 'remove') {
            queue.remove(turn);
            inside.splice(inside.indexOf(turn), 1);
          } else if (turn !== undefined) {
            turn.rank = rank;
            queue.reorder(turn);
          }
          expect(queue.size).toBe(inside.length);
          expect(queue.peek()).toBe([...inside].sort(compareTurns)[0]);
        });
        expect(queue.drain()).toEqual(inside.sort(compareTurns));
      }),
    );
  });
});
