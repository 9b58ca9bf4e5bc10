import { type Decision, instant, micros, seconds } from '@holdfast/scheduling';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { rebuildContext } from '../model/context.js';
import type { ProgramRow, StoredTurnState } from '../model/rows.js';
import { type Storage, programRow, startStorage, turnRow } from '../storage.fixture.js';
import type { WriteBehind } from '../writer/write-behind.js';
import { EventRepository } from './event-repository.js';
import type { LiveProgram } from './live-programs.js';
import type { Page } from './page.js';
import { ProgramRepository } from './program-repository.js';
import { DecisionRepository, PinRepository, RequestRepository, ToolCallRepository } from './record-repositories.js';
import { TurnRepository } from './turn-repository.js';

let storage: Storage;
let programs: ProgramRepository;
let turns: TurnRepository;

beforeAll(async () => {
  storage = await startStorage();
  programs = new ProgramRepository(storage.database);
  turns = new TurnRepository(storage.database);
});
afterAll(() => storage.close());
afterEach(() => storage.sql('TRUNCATE program, pin, decision, pool_event, request, pool_lease CASCADE'));

async function write(fill: (writer: WriteBehind) => void, poolId = 'pool'): Promise<void> {
  const writer = await storage.writer(poolId);
  fill(writer);
  await writer.close();
}

async function all<Item>(source: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of source) items.push(item);
  return items;
}

async function pages<Item>(read: (pageToken?: string) => Promise<Page<Item>>): Promise<Item[][]> {
  const found: Item[][] = [];
  for (let token: string | undefined; ;) {
    const page = await read(token);
    found.push([...page.items]);
    if (page.nextPageToken === undefined) return found;
    token = page.nextPageToken;
  }
}

const startedAt = (offsetMicros: number): ProgramRow['startedAt'] => instant(1_700_000_000_000_000 + offsetMicros);

describe('ProgramRepository', () => {
  it('returns exactly what was written, to the microsecond', async () => {
    const row: Required<ProgramRow> = {
      ...programRow({ programId: 'p' }),
      parentId: 'started-p',
      expectedTurns: 12,
      expectedTokens: 5_000_000_000,
      endedAt: instant(1_700_000_009_999_999),
      endMessage: 'out of patience – 😀',
      state: 'failed',
      engineId: 'engine-a',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      promptTokens: 3_000_000_001,
    };
    await write((writer) => writer.save('program', row));
    expect(await programs.get('p')).toEqual(row);
    expect(await programs.get('q')).toBeUndefined();
  });

  it('pages through programs newest first, ties by id, each once, while newer ones start', async () => {
    await write((writer) => {
      for (let i = 0; i < 10; i++) {
        writer.save('program', programRow({ programId: `p${i}`, startedAt: startedAt(Math.floor(i / 2)) }));
      }
    });
    const first = await programs.list({ pageSize: 4 });
    await write((writer) => writer.save('program', programRow({ programId: 'new', startedAt: startedAt(100) })));
    const rest = await pages((token) => programs.list({ pageSize: 4, pageToken: token ?? first.nextPageToken ?? '' }));
    const ids = [first.items, ...rest].map((page) => page.map((program) => program.programId));
    expect(ids).toEqual([
      ['p9', 'p8', 'p7', 'p6'],
      ['p5', 'p4', 'p3', 'p2'],
      ['p1', 'p0'],
    ]);
  });

  it('filters by state, start and tenant', async () => {
    await write((writer) => {
      writer.save('program', programRow({ programId: 'old', startedAt: startedAt(0) }));
      writer.save('program', programRow({ programId: 'idle', startedAt: startedAt(5) }));
      writer.save('program', programRow({ programId: 'done', startedAt: startedAt(6), state: 'completed' }));
      writer.save('program', programRow({ programId: 'other', startedAt: startedAt(7), tenantId: 'other' }));
    });
    const ids = async (filter: object): Promise<string[]> =>
      (await programs.list({ pageSize: 10, ...filter })).items.map((program) => program.programId);
    expect(await ids({ states: ['completed', 'failed'] })).toEqual(['done']);
    expect(await ids({ startedAfter: startedAt(5), tenantId: 'default' })).toEqual(['done', 'idle']);
    expect(await ids({ states: [] })).toEqual(['other', 'done', 'idle', 'old']);
  });

  it.each([
    ['page_size', { pageSize: 0 }, 'is 0; allowed: 1 to 500'],
    ['page_size', { pageSize: 501 }, 'is 501; allowed: 1 to 500'],
    ['page_token', { pageSize: 1, pageToken: 'nonsense' }, 'is "nonsense"; allowed: the next_page_token'],
  ])('refuses a bad %s: %j', async (field, filter, description) => {
    await expect(programs.list(filter)).rejects.toMatchObject({
      kind: 'invalid',
      fieldViolations: [{ field, description: expect.stringContaining(description) }],
    });
  });
});

describe('ProgramRepository.loadLive', () => {
  it('returns live programs of the pool only, with open tool calls, open pins and cut turns', async () => {
    const at = startedAt(1);
    await write((writer) => {
      writer.save('program', programRow({ programId: 'live' }));
      writer.save('program', programRow({ programId: 'ended', state: 'completed', endedAt: at }));
      writer.save('program', programRow({ programId: 'elsewhere', poolId: 'other pool' }));
      writer.save(
        'turn',
        turnRow({ turnId: 't0', programId: 'live', state: 'finished', outputIds: Uint32Array.of(9) }),
      );
      writer.save('turn', turnRow({ turnId: 't1', programId: 'live', ordinal: 1, keepTokens: 4, state: 'started' }));
      writer.save('toolCall', { programId: 'live', toolCallId: 'open', tool: 'bash', beganAt: at });
      writer.save('toolCall', { programId: 'live', toolCallId: 'done', tool: 'bash', beganAt: at, endedAt: at });
      const pin = { programId: 'live', engineId: 'e', engineEpoch: '1', pinnedTokens: 64, setAt: at, expiresAt: at };
      writer.save('pin', { ...pin, pinId: 'open pin' });
      writer.save('pin', { ...pin, pinId: 'ended pin', endedAt: at, outcome: 'hit' });
    });
    const [live, ...others] = await all(programs.loadLive('pool'));
    expect(others).toEqual([]);
    expect(live?.program.programId).toBe('live');
    expect(live?.context).toEqual(Uint32Array.of(1, 2, 3, 9));
    expect(live?.nextOrdinal).toBe(2);
    expect(live?.unfinishedTurns.map((turn) => turn.turnId)).toEqual(['t1']);
    expect(live?.openToolCalls.map((call) => call.toolCallId)).toEqual(['open']);
    expect(live?.openPins.map((pin) => pin.pinId)).toEqual(['open pin']);
  });

  it('reads more programs than fit a page, each once', async () => {
    const ids = Array.from({ length: 120 }, (_, index) => `p${String(index).padStart(3, '0')}`);
    await write((writer) => ids.forEach((programId) => writer.save('program', programRow({ programId }))));
    const live = await all(programs.loadLive('pool'));
    expect(live.map(({ program }) => program.programId)).toEqual(ids);
  });

  it('gives the texts since the last whole conversation', async () => {
    const finished = { programId: 'p', state: 'finished' as const, outputIds: Uint32Array.of(1) };
    const text = (ordinal: number, inputKind: 'conversation' | 'appendMessages') =>
      turnRow({
        ...finished,
        turnId: `t${ordinal}`,
        ordinal,
        inputKind,
        messages: [{ role: 'user', content: `question ${ordinal}` }],
        outputText: `answer ${ordinal}`,
      });
    await write((writer) => {
      writer.save('program', programRow({ programId: 'p' }));
      writer.save('turn', text(0, 'conversation'));
      writer.save('turn', text(1, 'conversation'));
      writer.save('turn', text(2, 'appendMessages'));
    });
    const [live] = await all(programs.loadLive('pool'));
    expect(live?.textTurns).toEqual([
      { inputKind: 'conversation', messages: [{ role: 'user', content: 'question 1' }], outputText: 'answer 1' },
      { inputKind: 'appendMessages', messages: [{ role: 'user', content: 'question 2' }], outputText: 'answer 2' },
    ]);
  });

  it('rebuilds exactly the context that the finished turns made, whatever was kept, cut or compacted', async () => {
    const tokens = fc.uint32Array({ maxLength: 40 });
    const state = fc.constantFrom<StoredTurnState>('finished', 'finished', 'failed', 'cancelled', 'started');
    const step = fc.record({
      keepShare: fc.double({ min: 0, max: 1, noNaN: true }),
      appended: tokens,
      output: tokens,
      state,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        await storage.sql('TRUNCATE program CASCADE');
        let expected: number[] = [];
        await write((writer) => {
          writer.save('program', programRow({ programId: 'p' }));
          steps.forEach(({ keepShare, appended, output, state }, ordinal) => {
            const keepTokens = Math.floor(keepShare * expected.length);
            const turnId = `t${ordinal}`;
            writer.save('turn', turnRow({ turnId, programId: 'p', ordinal, keepTokens, appendedIds: appended }));
            writer.update('turn', { turnId, state, outputIds: output });
            if (state === 'finished') expected = [...expected.slice(0, keepTokens), ...appended, ...output];
          });
        });
        const [live] = await all<LiveProgram>(programs.loadLive('pool'));
        expect([...(live?.context ?? [])]).toEqual(expected);
        expect(live?.nextOrdinal).toBe(steps.length);
      }),
      { numRuns: 40 },
    );
  });

  it('refuses turns that do not fit together instead of making up a context', () => {
    const steps = [{ ordinal: 3, keepTokens: 5, appendedIds: Uint32Array.of(1), outputIds: Uint32Array.of(2) }];
    expect(() => rebuildContext('p', steps)).toThrow('turn 3 of program p keeps 5 tokens; allowed: 0 to 0');
  });
});

describe('TurnRepository', () => {
  it('returns a turn exactly as written, by id and by the request that began it', async () => {
    const row = turnRow({
      turnId: 't',
      programId: 'p',
      requestId: 'r',
      state: 'finished',
      inputKind: 'appendMessages',
      keepTokens: 7,
      outputIds: Uint32Array.of(0, 4_294_967_295),
      outputLogprobs: Uint8Array.of(0, 255),
      messages: { messages: [{ role: 'user', content: 'hi' }] },
      outputText: 'hello',
      cachedTokens: 6,
      outputTokens: 2,
      recomputedTokens: 1,
      finishReason: 'stop',
      engineId: 'e',
      dispatchedAt: startedAt(2),
      startedAt: startedAt(3),
      finishedAt: startedAt(4),
      failureReason: null,
      failureMessage: null,
    });
    await write((writer) => {
      writer.save('program', programRow({ programId: 'p' }));
      writer.save('turn', row);
    });
    const found = await turns.byRequestId('p', 'r');
    expect(found).toEqual({ ...row, bodyDigest: found?.bodyDigest, outputLogprobs: found?.outputLogprobs });
    expect([...(found?.bodyDigest ?? [])]).toEqual([1, 2, 3]);
    expect([...(found?.outputLogprobs ?? [])]).toEqual([0, 255]);
    expect(await turns.get('t')).toEqual(found);
    expect(await turns.byRequestId('q', 'r')).toBeUndefined();
  });

  it('answers a repeated request from the latest turn that it began', async () => {
    await write((writer) => {
      writer.save('program', programRow({ programId: 'p' }));
      writer.save('turn', turnRow({ turnId: 'cut', programId: 'p', requestId: 'r', state: 'failed' }));
      writer.save('turn', turnRow({ turnId: 'again', programId: 'p', requestId: 'r', ordinal: 1 }));
    });
    expect((await turns.byRequestId('p', 'r'))?.turnId).toBe('again');
  });

  it('lists turns of a program in order, page by page, without their tokens', async () => {
    await write((writer) => {
      writer.save('program', programRow({ programId: 'p' }));
      for (let ordinal = 0; ordinal < 5; ordinal++) {
        writer.save('turn', turnRow({ turnId: `t${ordinal}`, programId: 'p', ordinal }));
      }
    });
    const found = await pages((pageToken) =>
      turns.listByProgram('p', { pageSize: 2, ...(pageToken === undefined ? {} : { pageToken }) }),
    );
    expect(found.map((page) => page.map((turn) => turn.ordinal))).toEqual([[0, 1], [2, 3], [4]]);
    expect(found[0]?.[0]).not.toHaveProperty('appendedIds');
  });
});

describe('records', () => {
  const decision: Decision = {
    decisionId: 1,
    at: startedAt(1),
    kind: 'retention',
    policy: 'retention.continuum',
    programId: 'p',
    turnId: 't',
    choice: 'pin',
    reason: 'the tool returns before the reload would pay',
    inputs: { ttlMicros: 250_000, loaded: true, tool: 'bash', value: null },
  };

  it('keeps decisions of one kernel apart from those of the next, and adds outcomes', async () => {
    await write((writer) => {
      writer.save('decision', decision);
      writer.update('decision', { decisionId: 1, outcome: 'hit', outcomeAt: startedAt(9) });
    });
    await write((writer) => writer.save('decision', { ...decision, at: startedAt(2) }));
    const decisions = new DecisionRepository(storage.database);
    const found = (
      await pages((pageToken) =>
        decisions.listByProgram('p', { pageSize: 1, ...(pageToken === undefined ? {} : { pageToken }) }),
      )
    ).flat();
    expect(found).toEqual([
      { ...decision, poolId: 'pool', fencingToken: 1, outcome: 'hit', outcomeAt: startedAt(9) },
      { ...decision, at: startedAt(2), poolId: 'pool', fencingToken: 2, outcome: null, outcomeAt: null },
    ]);
  });

  it('reads a log of many parts in the order of its sequence, from any place, and per pool', async () => {
    const event = { type: 'timerFired', key: 'k' } as const;
    await write((writer) => {
      for (let sequence = 0; sequence < 2_300; sequence++)
        writer.save('poolEvent', { sequence, at: startedAt(sequence), event });
    });
    await write((writer) => writer.save('poolEvent', { sequence: 0, at: startedAt(0), event }), 'other');
    const events = new EventRepository(storage.database);
    const found = await all(events.readAll('pool', 299));
    expect(found.map((row) => row.sequence)).toEqual(Array.from({ length: 2_000 }, (_, index) => index + 300));
    expect(found[0]).toEqual({ sequence: 300, at: startedAt(300), event });
    expect(await events.lastSequence('pool')).toBe(2_299);
    expect(await events.lastSequence('empty')).toBe(-1);
  });

  it('refuses to write over the log of another lease', async () => {
    const event = { type: 'timerFired', key: 'k' } as const;
    await write((writer) => writer.save('poolEvent', { sequence: 0, at: startedAt(0), event }));
    const next = await storage.writer('pool');
    next.save('poolEvent', { sequence: 0, at: startedAt(5), event: { type: 'timerFired', key: 'other' } });
    await expect(next.flush()).rejects.toThrow('belong to another lease of pool pool');
    expect(await all(new EventRepository(storage.database).readAll('pool'))).toEqual([
      { sequence: 0, at: startedAt(0), event },
    ]);
  });

  it('keeps tool calls, pins and accepted requests', async () => {
    const call = {
      programId: 'p',
      toolCallId: 'c',
      tool: 'bash',
      commandClass: 'pytest',
      timeout: seconds(30),
      beganAt: startedAt(1),
    };
    const pin = {
      pinId: 'x',
      programId: 'p',
      engineId: 'e',
      engineEpoch: '7',
      pinnedTokens: 128,
      setAt: startedAt(1),
      expiresAt: startedAt(2),
    };
    await write((writer) => {
      writer.save('program', programRow({ programId: 'p' }));
      writer.save('toolCall', call);
      writer.update('toolCall', { programId: 'p', toolCallId: 'c', endedAt: startedAt(3), outcome: 'failed' });
      writer.save('pin', pin);
      writer.update('pin', { pinId: 'x', endedAt: startedAt(2), outcome: 'revoked', reason: 'growth' });
      writer.save('request', {
        scope: 's',
        requestId: 'r',
        bodyDigest: Uint8Array.of(1),
        result: Uint8Array.of(0, 255),
        recordedAt: startedAt(0),
      });
    });
    const toolCalls = new ToolCallRepository(storage.database);
    const stored = { ...call, endedAt: startedAt(3), outcome: 'failed' };
    expect(await toolCalls.get('p', 'c')).toEqual(stored);
    expect(await toolCalls.listByProgram('p', { pageSize: 1 })).toEqual({ items: [stored] });
    expect(await new PinRepository(storage.database).listByProgram('p', { pageSize: 1 })).toEqual({
      items: [{ ...pin, endedAt: startedAt(2), outcome: 'revoked', reason: 'growth' }],
    });
    const request = await new RequestRepository(storage.database).find('s', 'r');
    expect([...(request?.result ?? [])]).toEqual([0, 255]);
    expect(await new RequestRepository(storage.database).find('s', 'other')).toBeUndefined();
  });

  it('answers with a retryable error while the database is away', async () => {
    const away = await startStorage();
    await away.postgres.stop();
    await expect(new ProgramRepository(away.database).get('p')).rejects.toMatchObject({
      kind: 'unavailable',
      reason: 'STORAGE_UNAVAILABLE',
      retryAfter: micros(500_000),
    });
    await away.close();
  });
});
