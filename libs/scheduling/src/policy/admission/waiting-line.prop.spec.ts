import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { WaitingLine } from './waiting-line.js';

describe('a waiting line', () => {
  it('lets programs leave in order of rank, then id, whatever the order in which they came', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(500), { maxLength: 60 }), fc.array(fc.nat(9)), (ids, ranks) => {
        const places = ids.map((id, index) => ({ programId: `p${id}`, rank: ranks[index] ?? 0 }));
        const line = new WaitingLine();
        for (const { rank, programId } of places) {
          line.add(rank, programId);
          // A second time changes nothing.
          line.add(rank, programId);
        }
        const left: string[] = [];
        for (let next = line.first; next !== undefined; next = line.first) {
          left.push(next);
          line.removeFirst();
        }
        const sorted = [...places].sort((a, b) => a.rank - b.rank || (a.programId < b.programId ? -1 : 1));
        expect(left).toEqual(sorted.map(({ programId }) => programId));
      }),
    );
  });
});
