import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TenantLines } from './tenant-lines.js';

const arrivals = fc.array(fc.record({ tenant: fc.nat(3), rank: fc.nat(9), size: fc.integer({ min: 1, max: 20 }) }), {
  maxLength: 40,
});

describe('the lines of tenants', () => {
  it('let the first of the tenant leave who holds least, and say beforehand who would be next', () => {
    fc.assert(
      fc.property(arrivals, (programs) => {
        const held = new Map<string, number>();
        const lines = new TenantLines((tenantId) => held.get(tenantId) ?? 0);
        const waiting = new Map<string, { readonly tenantId: string; readonly rank: number; readonly size: number }>();
        for (const [index, { tenant, rank, size }] of programs.entries()) {
          const programId = `p${String(index).padStart(2, '0')}`;
          const tenantId = `t${tenant}`;
          const isNext = lines.isNext(tenantId, rank, programId);
          lines.add(tenantId, rank, programId);
          waiting.set(programId, { tenantId, rank, size });
          expect(isNext).toBe(lines.next?.programId === programId);
        }
        for (let next = lines.next; next !== undefined; next = lines.next) {
          const { tenantId, programId } = next;
          const own = waiting.get(programId)!;
          for (const [otherId, other] of waiting) {
            const [ours, theirs] = [held.get(tenantId) ?? 0, held.get(other.tenantId) ?? 0];
            expect(ours).toBeLessThanOrEqual(theirs);
            const isTied = ours === theirs;
            if (isTied && other.rank === own.rank) expect(programId <= otherId).toBe(true);
            else if (isTied) expect(own.rank).toBeLessThan(other.rank);
          }
          held.set(tenantId, (held.get(tenantId) ?? 0) + own.size);
          waiting.delete(programId);
          lines.removeFirst(tenantId);
        }
        expect(waiting.size).toBe(0);
      }),
    );
  });

  it('are one line in order of rank when there is one tenant', () => {
    const lines = new TenantLines(() => 7);
    for (const [programId, rank] of Object.entries({ c: 3, a: 1, b: 2 })) lines.add('only', rank, programId);
    const left: string[] = [];
    for (let next = lines.next; next !== undefined; next = lines.next) {
      left.push(next.programId);
      lines.removeFirst('only');
    }
    expect(left).toEqual(['a', 'b', 'c']);
  });
});
