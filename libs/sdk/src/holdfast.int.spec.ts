import { program as wire } from '@holdfast/contracts';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { Holdfast } from './holdfast.js';
import type { HoldfastOptions } from './options.js';
import type { ProgramInfo } from './program-info.js';
import { ScriptedService, answer, failure, until } from './scripted-service.fixture.js';

let service: ScriptedService;
beforeEach(async () => {
  service = new ScriptedService();
  await service.listen();
});
afterEach(() => service.close());

const wireProgram = (over: Partial<wire.Program>): wire.Program => ({
  ...wire.Program.create(),
  programId: 'p1',
  ...over,
});
const collect = async (programs: AsyncIterable<ProgramInfo>): Promise<ProgramInfo[]> => {
  const all: ProgramInfo[] = [];
  for await (const program of programs) all.push(program);
  return all;
};

describe('get', () => {
  it('gives the program with dates, numbers and names', async () => {
    const program = wireProgram({
      name: 'n',
      model: 'm',
      programClass: 'c',
      state: wire.ProgramState.TOOL_CALL,
      startedAt: { seconds: 1_800_000_000n, nanos: 0 },
      turnsFinished: 3,
      toolCallsEnded: 2,
      contextTokens: 900,
      promptTokens: 5_000_000_000n,
      cachedTokens: 4_000_000_000n,
      recomputedTokens: 7n,
      outputTokens: 60n,
      engineId: 'e',
    });
    service.getProgram.splice(0, 1, answer<wire.GetProgramResponse>({ program }));
    expect(await service.client().get('p1')).toEqual({
      programId: 'p1',
      name: 'n',
      model: 'm',
      programClass: 'c',
      state: 'toolCall',
      startedAt: new Date(1_800_000_000_000),
      turnsFinished: 3,
      toolCallsEnded: 2,
      contextTokens: 900,
      promptTokens: 5_000_000_000,
      cachedTokens: 4_000_000_000,
      recomputedTokens: 7,
      outputTokens: 60,
      engineId: 'e',
    });
  });

  it('gives up with the last failure when its time is over, and a silent try is not the last', async () => {
    service.getProgram.splice(0, 1, () => new Promise(() => undefined));
    const client = service.client({ timeouts: { callMs: 400, attemptMs: 100 } });
    await expect(client.get('p1')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(service.seen('getProgram').length).toBeGreaterThan(1);
  });

  it('that finds no service says where it looked', async () => {
    service.kill();
    const client = service.client({ retry: { maxAttempts: 2 } });
    await expect(client.get('p1')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(`GetProgram at ${service.address}`),
    });
  });

  it('is aborted by its signal while it waits for an answer', async () => {
    service.getProgram.splice(0, 1, () => new Promise(() => undefined));
    const abort = new AbortController();
    const got = service.client().get('p1', { signal: abort.signal });
    await until(() => service.seen('getProgram').length > 0);
    abort.abort(new Error('enough'));
    await expect(got).rejects.toThrow('enough');
    expect(service.seen('getProgram')).toHaveLength(1);
  });
});

describe('list', () => {
  it('fetches page after page, each only when the loop gets there', async () => {
    const pages: Record<string, wire.ListProgramsResponse> = {
      '': { programs: [wireProgram({ programId: 'a' }), wireProgram({ programId: 'b' })], nextPageToken: 'two' },
      two: { programs: [], nextPageToken: 'three' },
      three: { programs: [wireProgram({ programId: 'c' })], nextPageToken: '' },
    };
    service.listPrograms = ({ pageToken }) => pages[pageToken] ?? { programs: [], nextPageToken: '' };
    const startedAfter = new Date(1_800_000_000_250);
    const options = { states: ['idle', 'timedOut'] as const, startedAfter, pageSize: 2 };
    const programs = service.client().list(options);
    expect((await programs.next()).value).toMatchObject({ programId: 'a' });
    expect(service.seen('listPrograms')).toHaveLength(1);
    expect((await collect(programs)).map(({ programId }) => programId)).toEqual(['b', 'c']);
    expect(service.requests<wire.ListProgramsRequest>('listPrograms')[0]).toEqual({
      pageSize: 2,
      pageToken: '',
      states: [wire.ProgramState.IDLE, wire.ProgramState.TIMED_OUT],
      startedAfter: { seconds: 1_800_000_000n, nanos: 250_000_000 },
    });
  });
});

describe('watch', () => {
  const { RUNNING, IDLE, COMPLETED } = wire.ProgramState;

  it('gives each state until the program ends, over a break, and none twice', async () => {
    service.watches.push(
      (stream) => {
        stream.write({ program: wireProgram({ state: RUNNING }) });
        stream.write({ program: wireProgram({ state: IDLE }) });
        stream.emit('error', failure('UNAVAILABLE', { reason: 'DRAINING' }));
      },
      (stream) => {
        stream.write({ program: wireProgram({ state: IDLE }) });
        stream.write({ program: wireProgram({ state: COMPLETED, endedAt: { seconds: 5n, nanos: 0 } }) });
        stream.end();
      },
    );
    const states = await collect(service.client().watch('p1'));
    expect(states.map(({ state }) => state)).toEqual(['running', 'idle', 'completed']);
    expect(states[2]?.endedAt).toEqual(new Date(5_000));
  });

  it('fails for a program that is not there, without another try', async () => {
    service.watches.push((stream) => {
      stream.emit('error', failure('NOT_FOUND', { reason: 'PROGRAM_NOT_FOUND' }));
    });
    await expect(collect(service.client().watch('p9'))).rejects.toMatchObject({ reason: 'PROGRAM_NOT_FOUND' });
    expect(service.seen('watchProgram')).toHaveLength(1);
  });

  it('left early is cancelled at the service', async () => {
    const cancelled = new Promise((resolve) => {
      service.watches.push((stream) => {
        stream.write({ program: wireProgram({ state: RUNNING }) });
        resolve(once(stream, 'cancelled'));
      });
    });
    for await (const { state } of service.client().watch('p1')) {
      expect(state).toBe('running');
      break;
    }
    await cancelled;
  });
});

describe('a client', () => {
  it.each<[Partial<HoldfastOptions>, RegExp]>([
    [{ address: '' }, /^address: is ""; allowed: "host:port"$/],
    [{ retry: { maxAttempts: 0 } }, /^retry.maxAttempts: is 0; allowed: integers from 1$/],
    [{ timeouts: { turnMs: -5 } }, /^timeouts.turnMs: is -5; allowed: milliseconds above 0/],
    [{ timeouts: { callMs: Number.NaN } }, /^timeouts.callMs: is NaN/],
    [{ tls: { key: 'x' } }, /^tls: has only key; allowed: both or neither$/],
  ])('refuses %j, naming the option, its value and what is allowed', (options, message) => {
    expect(() => new Holdfast({ address: '127.0.0.1:1', ...options })).toThrow(message);
  });

  it('that was closed takes no calls, and says so', async () => {
    const client = service.client();
    await client.get('p1');
    client.close();
    await expect(client.get('p1')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'this client was closed',
    });
  });
});
