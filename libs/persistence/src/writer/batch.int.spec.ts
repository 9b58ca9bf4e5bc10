import { instant } from '@holdfast/scheduling';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DecisionRow } from '../model/rows.js';
import { type Storage, programRow, startStorage, turnRow } from '../storage.fixture.js';
import { type RowOperation, toStatements } from './batch.js';

let storage: Storage;

beforeAll(async () => {
  storage = await startStorage();
});
afterAll(() => storage.close());

const ROWS = 2_000;

const aDecision = (decisionId: number): DecisionRow => ({
  decisionId,
  at: instant(1_700_000_000_000_000),
  kind: 'retention',
  policy: 'retention.continuum',
  programId: 'p',
  choice: 'pin',
  reason: 'first',
  inputs: {},
});

/** A node of PostgreSQL's plan, as EXPLAIN (FORMAT JSON) has it. */
interface PlanNode {
  readonly Alias?: string;
  readonly 'Node Type': string;
  /** For each of the loops. */
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Pure. Rows of the written table that a plan read, kept or not. */
const rowsRead = ({ Plans = [], ...node }: PlanNode): number => {
  const isRead = node.Alias === 't' && node['Node Type'] !== 'ModifyTable';
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0);
  const ownRows = isRead ? (node['Actual Rows'] + removed) * node['Actual Loops'] : 0;
  return ownRows + Plans.reduce((sum, plan) => sum + rowsRead(plan), 0);
};

describe('an update', () => {
  // What no statistics are kept of yet: a table that has just been filled.
  it.each<RowOperation>([
    { table: 'decision', action: 'update', fields: { decisionId: 1_000, outcome: 'hit' } },
    { table: 'turn', action: 'update', fields: { turnId: 't1000', state: 'failed' } },
  ])('of a row of $table reads no other row, however many the lease has written', async (operation) => {
    await storage.sql('TRUNCATE program, decision, pool_lease CASCADE');
    const writer = await storage.writer('pool');
    writer.save('program', programRow({ programId: 'p' }));
    for (let index = 0; index < ROWS; index += 1) {
      writer.save('decision', aDecision(index));
      writer.save('turn', turnRow({ turnId: `t${index}`, programId: 'p', ordinal: index }));
    }
    await writer.flush();
    const [lease] = await storage.sql<{ fencing_token: string }>('SELECT fencing_token FROM pool_lease');
    const identity = { poolId: 'pool', fencingToken: Number(lease?.fencing_token) };
    const [statement] = toStatements([operation], identity);
    const [explained] = await storage.sql<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${statement?.sql}`,
      [...(statement?.values ?? [])],
    );
    const plan = explained?.['QUERY PLAN'][0].Plan;
    expect(plan && rowsRead(plan)).toBe(1);
  });
});
