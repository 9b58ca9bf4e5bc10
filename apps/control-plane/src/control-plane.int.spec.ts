import { status } from '@grpc/grpc-js';
import { program as wire } from '@holdfast/contracts';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  append,
  exactly,
  prompt,
  someIds,
  startTestPlane,
  stopTestPlanes,
  type TestPlane,
} from './control-plane.fixture.js';

// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;
let plane: TestPlane;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  plane = await startTestPlane({ databaseUrl: postgres.url });
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

describe('the life of a program over gRPC', () => {
  it('runs turns and tool calls and keeps the books', async () => {
    const { client } = plane;
    const programId = await client.start({ name: 'fix-issue', programClass: 'swe' });
    const first = await client.turn({ programId, input: append(someIds(40)) });
    expect(first.events).toEqual(['queued', 'started', 'delta', 'finished']);
    expect(first.tokenIds).toHaveLength(8);
    expect(first.started?.engineId).toBe('engine-0');
    expect(first.queued?.compacted).toBe(false);
    expect(first.finished.usage).toEqual({ promptTokens: 40, cachedTokens: 0, outputTokens: 8, recomputedTokens: 0 });

    await client.call('beginToolCall', { programId, toolCallId: 'call-1', tool: 'bash', command: 'pytest -q' });
    const during = await client.call('getProgram', { programId });
    expect(during.program?.state).toBe(wire.ProgramState.TOOL_CALL);
    const ended = await client.call('endToolCall', { programId, toolCallId: 'call-1' });
    expect(ended.duration).toBeDefined();

    const second = await client.turn({ programId, input: append(someIds(10, 3)) });
    expect(second.finished.usage?.promptTokens).toBe(58);
    // The KV of the last output token is never computed, so the third block of 16 is not full.
    expect(second.finished.usage?.cachedTokens).toBe(32);
    expect(second.finished.usage?.recomputedTokens).toBe(16);

    const { program } = await client.call('endProgram', { programId });
    expect(program).toMatchObject({
      state: wire.ProgramState.COMPLETED,
      turnsFinished: 2,
      toolCallsEnded: 1,
      contextTokens: 66,
      promptTokens: 98n,
      cachedTokens: 32n,
      recomputedTokens: 16n,
      outputTokens: 16n,
    });
    const { program: later } = await client.call('getProgram', { programId });
    expect(later?.endedAt).toEqual(program?.endedAt);
  });

  it('tells a compaction, and counts what is computed again', async () => {
    const { client } = plane;
    const programId = await client.start();
    await client.turn({ programId, input: prompt(someIds(64)) });
    const other = [...someIds(32), ...someIds(32, 5)];
    const turn = await client.turn({ programId, input: prompt(other) });
    expect(turn.queued?.compacted).toBe(true);
    expect(turn.finished.usage).toMatchObject({ promptTokens: 64, cachedTokens: 32, recomputedTokens: 0 });
    const { program } = await client.call('getProgram', { programId });
    expect(program?.contextTokens).toBe(72);
  });

  it('sets the pin that the policy wants and shows it at the tool call', async () => {
    const pinned = await startTestPlane({ databaseUrl: postgres.url, env: { HOLDFAST_POLICY: 'static-ttl:ttl=60s' } });
    try {
      const programId = await pinned.client.start();
      const turn = await pinned.client.turn({ programId });
      expect(turn.finished.pin).toMatchObject({ engineId: 'engine-0', pinnedTokens: 32 });
      const { pin } = await pinned.client.call('beginToolCall', { programId, toolCallId: 'a', tool: 'bash' });
      expect(pin?.pinnedTokens).toBe(32);
      await pinned.client.call('endProgram', { programId });
      const pins = await pinned.engines[0]?.client.listPins();
      expect(pins?.pins).toEqual([]);
    } finally {
      await pinned.stop();
    }
  });

  it('speaks text with the model tokenizer, and continues a conversation token by token', async () => {
    const { client } = plane;
    const programId = await client.start();
    const user = (content: string): wire.Message => ({ role: 'user', content, toolCalls: [], toolCallId: '' });
    const first = await client.turn({
      programId,
      input: { $case: 'conversation', value: { messages: [user('hello')], toolsJson: '' } },
    });
    expect(first.tokenIds).toHaveLength(8);
    const second = await client.turn({
      programId,
      input: { $case: 'appendMessages', value: { messages: [user('and now?')], toolsJson: '' } },
    });
    expect(second.queued?.compacted).toBe(false);
    const { usage } = second.finished;
    expect(usage?.cachedTokens).toBeGreaterThan(0);
    expect(usage?.promptTokens).toBeGreaterThan((first.finished.usage?.promptTokens ?? 0) + 8);
    const whole = await client.turn({
      programId,
      input: {
        $case: 'conversation',
        value: {
          messages: [
            user('hello'),
            { ...user(first.text), role: 'assistant' },
            user('and now?'),
            { ...user(second.text), role: 'assistant' },
            user('good'),
          ],
          toolsJson: '',
        },
      },
    });
    expect(whole.queued?.compacted).toBe(false);
  });

  it('lists programs newest first, page by page, by their state of now', async () => {
    const own = await startTestPlane({ databaseUrl: postgres.url });
    try {
      const { client } = own;
      const since = (await client.call('startProgram', {})).program?.startedAt;
      const ids = [];
      for (let index = 0; index < 5; index += 1) ids.push(await client.start({ name: `p${index}` }));
      await client.call('endProgram', { programId: ids[1] ?? '' });
      const idle = { states: [wire.ProgramState.IDLE], pageSize: 2, startedAfter: since };
      const pages: string[][] = [];
      let pageToken = '';
      do {
        const page = await client.call('listPrograms', { ...idle, pageToken });
        pages.push(page.programs.map(({ programId }) => programId));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(pages.flat().slice(0, 4)).toEqual([ids[4], ids[3], ids[2], ids[0]]);
      expect(pages[0]).toHaveLength(2);
    } finally {
      await own.stop();
    }
  });

  it('streams a watched program until it ends', async () => {
    const { client } = plane;
    const programId = await client.start();
    const states: number[] = [];
    const watching = (async () => {
      for await (const message of client.raw.watchProgram({ programId }) as AsyncIterable<wire.WatchProgramResponse>) {
        states.push(message.program?.state ?? 0);
      }
    })();
    await client.turn({ programId });
    await client.call('endProgram', { programId, outcome: wire.ProgramOutcome.FAILED, message: 'gave up' });
    await watching;
    expect(states).toContain(wire.ProgramState.RUNNING);
    expect(states.at(-1)).toBe(wire.ProgramState.FAILED);
  });

  it('times a silent program out', async () => {
    const fast = await startTestPlane({ databaseUrl: postgres.url });
    try {
      const programId = await fast.client.start({ idleLimit: { seconds: 0n, nanos: 50_000_000 } });
      for await (const message of fast.client.raw.watchProgram({
        programId,
      }) as AsyncIterable<wire.WatchProgramResponse>) {
        if (message.program?.endedAt !== undefined) expect(message.program.state).toBe(wire.ProgramState.TIMED_OUT);
      }
      const failure = await fast.client.failure(fast.client.turn({ programId }));
      expect(failure.details?.reason).toBe('PROGRAM_ENDED');
    } finally {
      await fast.stop();
    }
  });
});

describe('requests that are wrong', () => {
  it('names every bad field at once', async () => {
    const { client } = plane;
    const failure = await client.failure(
      client.call('startProgram', { requestId: '', programId: 'no spaces', name: 'x'.repeat(201) }),
    );
    expect(failure.code).toBe(status.INVALID_ARGUMENT);
    expect(failure.details?.reason).toBe('FIELD_INVALID');
    const fields = failure.details?.fieldViolations?.map(({ field }) => field);
    expect(fields).toEqual(['request_id', 'program_id', 'name']);
  });

  it('refuses turns of programs that are unknown, have ended, or are busy', async () => {
    const { client } = plane;
    const unknown = await client.failure(client.turn({ programId: 'nobody' }));
    expect([unknown.code, unknown.details?.reason]).toEqual([status.NOT_FOUND, 'PROGRAM_NOT_FOUND']);
    const programId = await client.start();
    await client.call('endProgram', { programId });
    const ended = await client.failure(client.turn({ programId }));
    expect([ended.code, ended.details?.reason]).toEqual([status.FAILED_PRECONDITION, 'PROGRAM_ENDED']);
  });

  it('refuses prompts that the model cannot take', async () => {
    const { client } = plane;
    const programId = await client.start();
    const reasonOf = async (request: Partial<wire.RunTurnRequest>): Promise<string | undefined> =>
      (await client.failure(client.turn({ programId, ...request }))).details?.reason;
    expect(await reasonOf({ input: prompt([]) })).toBe('PROMPT_EMPTY');
    expect(await reasonOf({ input: append([]) })).toBe('PROMPT_EMPTY');
    expect(await reasonOf({ input: append(someIds(8_190)) })).toBe('PROMPT_TOO_LONG');
    expect(await reasonOf({ input: append([1, 2, 999_999]) })).toBe('TOKEN_OUT_OF_VOCABULARY');
    expect(await reasonOf({ input: undefined })).toBe('FIELD_INVALID');
    expect(await reasonOf({ sampling: { ...exactly(4), temperature: 9, topP: 0 } })).toBe('FIELD_INVALID');
    expect(await reasonOf({ sampling: { ...exactly(4), minTokens: 5 } })).toBe('FIELD_INVALID');
    // None of them left a trace.
    const turn = await client.turn({ programId });
    expect(turn.finished.usage?.promptTokens).toBe(40);
  });

  it('names the token that is outside of the vocabulary', async () => {
    const { client } = plane;
    const programId = await client.start();
    const failure = await client.failure(client.turn({ programId, input: append([1, 2, 999_999]) }));
    expect(failure.details?.fieldViolations?.[0]?.field).toBe('append.ids[2]');
    expect(failure.message).toContain('999999');
  });

  it('refuses tool calls that were never begun, ended twice or begun twice', async () => {
    const { client } = plane;
    const programId = await client.start();
    const call = { programId, toolCallId: 'c1', tool: 'bash' };
    const never = await client.failure(client.call('endToolCall', { programId, toolCallId: 'c1' }));
    expect(never.details?.reason).toBe('TOOL_CALL_NOT_FOUND');
    await client.call('beginToolCall', call);
    const twice = await client.failure(client.call('beginToolCall', call));
    expect(twice.details?.reason).toBe('TOOL_CALL_EXISTS');
    await client.call('endToolCall', { programId, toolCallId: 'c1' });
    const again = await client.failure(client.call('endToolCall', { programId, toolCallId: 'c1' }));
    expect(again.details?.reason).toBe('TOOL_CALL_ENDED');
  });

  it('refuses unknown models and taken ids', async () => {
    const { client } = plane;
    const model = await client.failure(client.call('startProgram', { model: 'gpt-x' }));
    expect([model.code, model.details?.reason]).toEqual([status.NOT_FOUND, 'MODEL_NOT_FOUND']);
    const programId = await client.start();
    const taken = await client.failure(client.call('startProgram', { programId }));
    expect([taken.code, taken.details?.reason]).toEqual([status.ALREADY_EXISTS, 'PROGRAM_EXISTS']);
  });

  it('says how large a message may be', async () => {
    const small = await startTestPlane({ databaseUrl: postgres.url, env: { HOLDFAST_MAX_MESSAGE: '4KiB' } });
    try {
      const programId = await small.client.start();
      const failure = await small.client.failure(small.client.turn({ programId, input: append(someIds(5_000)) }));
      expect(failure.details?.reason).toBe('MESSAGE_TOO_LARGE');
      expect(failure.message).toContain('4096');
    } finally {
      await small.stop();
    }
  });

  it('answers bytes that are no message', async () => {
    const failure = await plane.client.failure(
      new Promise((resolve, reject) => {
        plane.client.raw.makeUnaryRequest(
          wire.ProgramServiceService.getProgram.path,
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => bytes,
          Buffer.from([0x0a, 0xff, 0x01]),
          (error) => (error === null ? resolve(null) : reject(error)),
        );
      }),
    );
    expect(failure.code).toBe(status.INVALID_ARGUMENT);
  });
});

describe('idempotency', () => {
  it('gives the same answer to the same request, once in effect', async () => {
    const { client } = plane;
    const start = { requestId: `start-${Date.now()}`, name: 'once' };
    const [first, second] = await Promise.all([client.call('startProgram', start), client.call('startProgram', start)]);
    expect(second).toEqual(first);
    expect(await client.call('startProgram', start)).toEqual(first);
    const programId = first.program?.programId ?? '';

    const turn = { programId, requestId: 'turn-1' };
    const ran = await client.turn(turn);
    const replayed = await client.turn(turn);
    expect(replayed.tokenIds).toEqual(ran.tokenIds);
    expect(replayed.finished).toEqual(ran.finished);
    await client.turn({ programId, requestId: 'turn-2', input: append(someIds(3)) });
    const fromStorage = await client.turn(turn);
    expect(fromStorage.tokenIds).toEqual(ran.tokenIds);
    expect(fromStorage.finished.usage).toEqual(ran.finished.usage);

    const begin = { requestId: 'b', programId, toolCallId: 'c', tool: 'bash' };
    await client.call('beginToolCall', begin);
    await client.call('beginToolCall', begin);
    const end = { requestId: 'e', programId, toolCallId: 'c' };
    expect(await client.call('endToolCall', end)).toEqual(await client.call('endToolCall', end));
    const stop = { requestId: 's', programId };
    expect(await client.call('endProgram', stop)).toEqual(await client.call('endProgram', stop));
    expect(await client.call('endToolCall', end)).toBeDefined();
    const { program } = await client.call('getProgram', { programId });
    expect([program?.turnsFinished, program?.toolCallsEnded]).toEqual([2, 1]);
  });

  it('refuses a known request id with another body', async () => {
    const { client } = plane;
    const programId = await client.start({ requestId: 'fixed-start' });
    const reasonOf = async (call: Promise<unknown>): Promise<string | undefined> =>
      (await client.failure(call)).details?.reason;
    expect(await reasonOf(client.call('startProgram', { requestId: 'fixed-start', name: 'other' }))).toBe(
      'REQUEST_ID_REUSED',
    );
    await client.turn({ programId, requestId: 't' });
    expect(await reasonOf(client.turn({ programId, requestId: 't', last: true }))).toBe('REQUEST_ID_REUSED');
    await client.call('beginToolCall', { requestId: 'b', programId, toolCallId: 'c', tool: 'bash' });
    expect(
      await reasonOf(client.call('beginToolCall', { requestId: 'b', programId, toolCallId: 'c', tool: 'python' })),
    ).toBe('REQUEST_ID_REUSED');
  });
});
