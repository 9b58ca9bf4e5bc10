import { Database, DecisionRepository, EventRepository } from '@holdfast/persistence';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { createKernel, millis, parsePolicy, type Decision } from '@holdfast/scheduling';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pino from 'pino';
import { append, exactly, someIds, startTestPlane, stopTestPlanes } from './control-plane.fixture.js';

const POLICY = 'continuum';
const WINDOW = 2;
// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

describe('the event log', () => {
  it('replays through a fresh kernel to the same decisions, byte for byte', async () => {
    const plane = await startTestPlane({
      databaseUrl: postgres.url,
      engines: [{ decodePerToken: millis(1) }, { decodePerToken: millis(1) }],
      env: { HOLDFAST_POLICY: POLICY, HOLDFAST_DISPATCH_WINDOW: String(WINDOW) },
    });
    const { client, pool } = plane;
    const ids = await Promise.all(Array.from({ length: 6 }, () => client.start({ programClass: 'swe' })));
    await Promise.all(
      ids.map(async (programId, index) => {
        for (let turn = 0; turn < 4; turn += 1) {
          await client.turn({ programId, input: append(someIds(50, index)), sampling: exactly(3) });
          const tool = index % 2 ? { tool: 'bash', command: 'timeout 30 pytest -q | tail' } : { tool: 'edit' };
          await client.call('beginToolCall', { programId, toolCallId: `c${turn}`, ...tool });
          await client.call('endToolCall', { programId, toolCallId: `c${turn}` });
        }
      }),
    );
    plane.engines[1]?.restart();
    for (const programId of ids) await client.call('endProgram', { programId });
    await plane.stop();

    const database = new Database({ url: postgres.url, logger: pino({ level: 'silent' }) });
    try {
      const kernel = createKernel({
        profile: parsePolicy(POLICY),
        fencingToken: 1,
        dispatchWindow: WINDOW,
        maxQueuedTurns: 10_000,
      });
      const replayed = new Map<number, Decision>();
      const tools = new Map<string, number | undefined>();
      for await (const { at, event } of new EventRepository(database).readAll(pool)) {
        if (event.type === 'toolCallStarted') tools.set(event.tool, event.timeout);
        for (const command of kernel.handle(event, at)) {
          if (command.type === 'recordDecision') replayed.set(command.decision.decisionId, command.decision);
        }
      }
      expect([...tools].sort()).toEqual([
        ['bash:pytest', 30_000_000],
        ['edit', undefined],
      ]);
      expect(replayed.size).toBeGreaterThan(24);
      const decisions = new DecisionRepository(database);
      let compared = 0;
      for (const programId of ids) {
        const { items } = await decisions.listByProgram(programId, { pageSize: 1_000 });
        for (const stored of items) expect(essence(stored)).toBe(essence(replayed.get(stored.decisionId)));
        compared += items.length;
      }
      expect(compared).toBe(replayed.size);
    } finally {
      await database.close();
    }
  });
});

/** All that a decision says, as text. jsonb does not keep the order of keys, and the table has null for "none". */
const essence = (decision: Decision | undefined): string => {
  const { decisionId, at, kind, policy, choice, reason, turnId = null, engineId = null } = decision ?? ({} as Decision);
  const inputs = Object.entries(decision?.inputs ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([decisionId, at, kind, policy, choice, reason, turnId, engineId, inputs]);
};
