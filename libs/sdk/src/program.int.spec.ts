import { program as wire } from '@holdfast/contracts';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { ProgramEndedError } from './errors.js';
import { ScriptedService, answer, failure, queued, type TurnStream, until } from './scripted-service.fixture.js';
import type { HoldfastWarning } from './warning.js';

let service: ScriptedService;
let warnings: HoldfastWarning[];
const onWarning = (warning: HoldfastWarning): void => void warnings.push(warning);
beforeEach(async () => {
  warnings = [];
  service = new ScriptedService();
  await service.listen();
});
afterEach(() => service.close());

const ends = (): wire.EndProgramRequest[] => service.requests('endProgram');
const begins = (): wire.BeginToolCallRequest[] => service.requests('beginToolCall');
const toolEnds = (): wire.EndToolCallRequest[] => service.requests('endToolCall');
const script = <T>(of: T[], ...answers: T[]): void => void of.splice(0, of.length, ...answers);
const { COMPLETED, FAILED } = wire.ProgramOutcome;

describe('run', () => {
  it('starts a program, hands on what its body returned and ends it completed', async () => {
    const options = {
      model: 'model-x',
      name: 'fix-issue-412',
      programClass: 'swe-agent',
      expectedTurns: 12,
      expectedTokens: 50_000,
      idleLimitMs: 1_500,
      programId: 'mine',
      parentProgramId: 'its-parent',
    };
    const result = await service.client().run(options, async (program) => {
      expect(program.id).toBe('p1');
      return (await program.turn({ promptIds: [1] })).text;
    });
    expect(result).toBe('hello');
    expect(service.requests('startProgram')).toEqual([
      {
        requestId: expect.stringMatching(/^[\w-]{1,128}$/),
        programId: 'mine',
        name: 'fix-issue-412',
        model: 'model-x',
        programClass: 'swe-agent',
        parentProgramId: 'its-parent',
        expectedTurns: 12,
        expectedTokens: 50_000n,
        idleLimit: { seconds: 1n, nanos: 500_000_000 },
      },
    ]);
    expect(ends()).toEqual([{ requestId: expect.any(String), programId: 'p1', outcome: COMPLETED, message: '' }]);
  });

  it('ends the program failed when its body throws, and rethrows the very error', async () => {
    const error = new Error('y'.repeat(2_000));
    const body = (): Promise<never> => Promise.reject(error);
    await expect(service.client().run({}, body)).rejects.toBe(error);
    expect(ends()).toMatchObject([{ outcome: FAILED, message: 'y'.repeat(1_000) }]);
  });

  it('rethrows the error of its body even if ending fails, and warns', async () => {
    script(service.endProgram, answer<wire.EndProgramResponse>(failure('INTERNAL', { reason: 'INTERNAL' })));
    const error = new Error('mine');
    await expect(service.client({ onWarning }).run({}, () => Promise.reject(error))).rejects.toBe(error);
    expect(warnings).toMatchObject([{ kind: 'programNotEnded', programId: 'p1', error: { reason: 'INTERNAL' } }]);
  });

  it('hands on what its body returned even if ending fails and the warning hook throws', async () => {
    script(service.endProgram, answer<wire.EndProgramResponse>(failure('INTERNAL', { reason: 'INTERNAL' })));
    const hook = (): never => {
      throw new Error('bad hook');
    };
    expect(await service.client({ onWarning: hook }).run({}, () => 42)).toBe(42);
  });

  it('sends the same StartProgram and EndProgram again after UNAVAILABLE', async () => {
    service.startProgram.unshift(answer<wire.StartProgramResponse>(failure('UNAVAILABLE')));
    service.endProgram.unshift(
      answer<wire.EndProgramResponse>(failure('UNAVAILABLE', { reason: 'STORAGE_UNAVAILABLE' })),
    );
    await service.client().run({}, () => undefined);
    for (const rpc of ['startProgram', 'endProgram'] as const) {
      const [first, second, ...more] = service.requests(rpc);
      expect(second).toEqual(first);
      expect(more).toEqual([]);
    }
  });

  it('does not run its body when the program cannot be started', async () => {
    script(
      service.startProgram,
      answer<wire.StartProgramResponse>(failure('NOT_FOUND', { reason: 'MODEL_NOT_FOUND' })),
    );
    let ran = false;
    const run = service.client().run({ model: 'none' }, () => {
      ran = true;
    });
    await expect(run).rejects.toMatchObject({ code: 'NOT_FOUND', reason: 'MODEL_NOT_FOUND' });
    expect(ran).toBe(false);
    expect(service.seen('startProgram')).toHaveLength(1);
  });

  it('aborted cancels its turn, ends the program failed, and rejects with the reason', async () => {
    const abort = new AbortController();
    const opened = new Promise<TurnStream>((resolve) => {
      script(service.turns, (stream) => {
        stream.write(queued());
        resolve(stream);
      });
    });
    const reason = new Error('user left');
    const run = service.client().run({ signal: abort.signal }, (program) => program.turn({ promptIds: [1] }));
    const cancelled = once(await opened, 'cancelled');
    abort.abort(reason);
    await expect(run).rejects.toBe(reason);
    await cancelled;
    expect(ends()).toMatchObject([{ outcome: FAILED, message: 'user left' }]);
  });

  it('aborted is a failure even if its body goes on and returns', async () => {
    const abort = new AbortController();
    const run = service.client().run({ signal: abort.signal }, () => {
      abort.abort(new Error('user left'));
      return 42;
    });
    await expect(run).rejects.toThrow('user left');
    expect(ends()).toMatchObject([{ outcome: FAILED }]);
  });
});

describe('a program', () => {
  it('is ended once, as the first call says', async () => {
    const program = await service.client().start();
    const [first, second] = await Promise.all([program.end({ outcome: 'failed', message: 'no' }), program.end()]);
    expect(first.state).toBe('completed');
    expect(second).toBe(first);
    expect(ends()).toMatchObject([{ outcome: FAILED, message: 'no' }]);
  });

  it('can be ended again when ending failed, by the same request', async () => {
    service.endProgram.unshift(answer<wire.EndProgramResponse>(failure('INTERNAL', { reason: 'INTERNAL' })));
    const program = await service.client().start();
    await expect(program.end()).rejects.toMatchObject({ code: 'INTERNAL' });
    await program.end({ outcome: 'failed' });
    expect(ends()).toHaveLength(2);
    expect(ends()[1]).toEqual(ends()[0]);
  });

  it('takes no turn after its end, without asking the service', async () => {
    const program = await service.client().start();
    await program.end();
    await expect(program.turn({ promptIds: [1] }).result).rejects.toBeInstanceOf(ProgramEndedError);
    expect(service.seen('runTurn')).toHaveLength(0);
  });

  it('disposed of before end() is ended as failed', async () => {
    {
      await using program = await service.client().start();
      expect(program.id).toBe('p1');
    }
    expect(ends()).toMatchObject([{ outcome: FAILED, message: 'disposed of before end() was called' }]);
  });

  it('disposed of after end() stays as it ended', async () => {
    {
      await using program = await service.client().start();
      await program.end();
    }
    expect(ends()).toMatchObject([{ outcome: COMPLETED }]);
  });
});

describe('a tool call', () => {
  const fails = (code: 'INTERNAL' | 'FAILED_PRECONDITION', reason: string) => answer<never>(failure(code, { reason }));

  it('is reported with its command, and its end with success before the next turn', async () => {
    const program = await service.client().start();
    const options = { command: 'z'.repeat(5_000), timeoutMs: 2_500, toolCallId: 'c1' };
    expect(await program.tool('bash', options, () => Promise.resolve('out'))).toBe('out');
    await program.turn({ appendIds: [1] });
    expect(begins()).toEqual([
      {
        requestId: expect.any(String),
        programId: 'p1',
        toolCallId: 'c1',
        tool: 'bash',
        command: 'z'.repeat(4_096),
        timeout: { seconds: 2n, nanos: 500_000_000 },
      },
    ]);
    expect(toolEnds()).toMatchObject([{ toolCallId: 'c1', outcome: wire.ToolCallOutcome.SUCCEEDED }]);
    expect(service.calls.map(({ rpc }) => rpc)).toEqual(['startProgram', 'beginToolCall', 'endToolCall', 'runTurn']);
  });

  it('that throws ends as failed, and the very error is rethrown', async () => {
    const error = new Error('exit 1');
    const program = await service.client().start();
    await expect(program.tool('bash', {}, () => Promise.reject(error))).rejects.toBe(error);
    await program.end();
    expect(toolEnds()).toMatchObject([{ outcome: wire.ToolCallOutcome.FAILED }]);
    expect(service.calls.map(({ rpc }) => rpc)).toEqual(['startProgram', 'beginToolCall', 'endToolCall', 'endProgram']);
  });

  it('that throws before it returns a promise is no different', async () => {
    const program = await service.client().start();
    const boom = (): string => {
      throw new Error('sync');
    };
    await expect(program.tool('bash', {}, boom)).rejects.toThrow('sync');
    await program.end();
    expect(toolEnds()).toMatchObject([{ outcome: wire.ToolCallOutcome.FAILED }]);
  });

  it('that is given up by its time limit ends as cancelled', async () => {
    const program = await service.client().start();
    const wait = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    // Node does not keep a process alive for the timer of a signal; a real tool does by what it does.
    const alive = setInterval(() => undefined, 1_000);
    await expect(program.tool('bash', { timeoutMs: 20 }, wait)).rejects.toMatchObject({ name: 'TimeoutError' });
    clearInterval(alive);
    await program.end();
    expect(toolEnds()).toMatchObject([{ outcome: wire.ToolCallOutcome.CANCELLED }]);
  });

  it('runs at once and gives its result although its begin is still on its way', async () => {
    let letBegin = (): void => undefined;
    script(service.beginToolCall, () => new Promise((resolve) => (letBegin = () => resolve({ pin: undefined }))));
    const program = await service.client().start();
    expect(await program.tool('bash', {}, () => 'out')).toBe('out');
    await until(() => begins().length > 0);
    expect(toolEnds()).toHaveLength(0);
    letBegin();
    await program.turn({ appendIds: [1] });
    expect(toolEnds()).toHaveLength(1);
  });

  it('gives its result when its begin cannot be reported, warns once and reports no end', async () => {
    script(service.beginToolCall, fails('FAILED_PRECONDITION', 'PROGRAM_ENDED'));
    const program = await service.client({ onWarning }).start();
    expect(await program.tool('bash', { toolCallId: 'c1' }, () => 'out')).toBe('out');
    await program.turn({ appendIds: [1] });
    expect(warnings).toMatchObject([
      { kind: 'toolCallNotReported', programId: 'p1', toolCallId: 'c1', error: { reason: 'PROGRAM_ENDED' } },
    ]);
    expect(toolEnds()).toHaveLength(0);
  });

  it('gives its result when its end cannot be reported, and warns', async () => {
    script(service.endToolCall, fails('INTERNAL', 'INTERNAL'));
    const program = await service.client({ onWarning }).start();
    expect(await program.tool('bash', {}, () => 'out')).toBe('out');
    await program.end();
    expect(warnings).toMatchObject([{ kind: 'toolCallNotReported', error: { reason: 'INTERNAL' } }]);
  });

  it('gives its result while the service is away, and is reported when it is back', async () => {
    const client = service.client({ onWarning });
    const program = await client.start();
    service.kill();
    expect(await program.tool('bash', {}, () => 'out')).toBe('out');
    await service.listen();
    await program.turn({ appendIds: [1] });
    expect(service.calls.map(({ rpc }) => rpc)).toEqual(['startProgram', 'beginToolCall', 'endToolCall', 'runTurn']);
    expect(warnings).toEqual([]);
  });

  it('that runs while its program is aborted gives its result, and nothing is reported after the end', async () => {
    const abort = new AbortController();
    const client = service.client({ onWarning });
    const run = client.run({ signal: abort.signal }, async (program) => {
      const out = await program.tool('bash', {}, async (signal) => {
        abort.abort(new Error('user left'));
        expect(signal.aborted).toBe(true);
        await until(() => ends().length > 0);
        return 'out';
      });
      expect(out).toBe('out');
    });
    await expect(run).rejects.toThrow('user left');
    expect(service.calls.map(({ rpc }) => rpc)).toEqual(['startProgram', 'beginToolCall', 'endProgram']);
    expect(warnings).toEqual([]);
  });
});
