import { Server, ServerCredentials, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import { program as wire } from '@holdfast/contracts';
import { Holdfast } from '@holdfast/sdk';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAgent, type AgentOptions } from './agent.js';
import { taskCommands } from './tasks.js';

type Reply = (error: null, message: object) => void;

let server: Server;
let holdfast: Holdfast;
let directory: string;
let answers: string[];
let turns: wire.RunTurnRequest[];
let tools: wire.BeginToolCallRequest[];
let ends: wire.EndProgramRequest[];

beforeEach(async () => {
  [answers, turns, tools, ends] = [[], [], [], []];
  directory = await mkdtemp(join(tmpdir(), 'shell-agent-spec-'));
  server = new Server();
  const program = { ...wire.Program.create(), programId: 'p1', model: 'm' };
  server.addService(wire.ProgramServiceService, {
    startProgram: (_: unknown, reply: Reply) => reply(null, { program }),
    runTurn: (stream: ServerWritableStream<wire.RunTurnRequest, wire.RunTurnResponse>) => {
      turns.push(stream.request);
      const finished = { ...wire.TurnFinished.create(), finishReason: wire.FinishReason.STOP };
      stream.write({
        event: { $case: 'delta', value: { tokenIds: [1], text: answers.shift() ?? 'noise', logprobs: [] } },
      });
      stream.write({ event: { $case: 'finished', value: finished } });
      stream.end();
    },
    beginToolCall: (call: ServerUnaryCall<wire.BeginToolCallRequest, unknown>, reply: Reply) => {
      tools.push(call.request);
      reply(null, {});
    },
    endToolCall: (_: unknown, reply: Reply) => reply(null, {}),
    endProgram: (call: ServerUnaryCall<wire.EndProgramRequest, unknown>, reply: Reply) => {
      ends.push(call.request);
      reply(null, { program });
    },
    getProgram: (_: unknown, reply: Reply) => reply(null, { program }),
    listPrograms: (_: unknown, reply: Reply) => reply(null, { programs: [], nextPageToken: '' }),
    watchProgram: (stream: ServerWritableStream<unknown, unknown>) => stream.end(),
  });
  const port = await new Promise<number>((resolve, reject) => {
    const done = (error: Error | null, bound: number): void => (error === null ? resolve(bound) : reject(error));
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), done);
  });
  holdfast = new Holdfast({ address: `127.0.0.1:${port}` });
});
afterEach(async () => {
  holdfast.close();
  server.forceShutdown();
  await rm(directory, { recursive: true });
});

const run = (over: Partial<AgentOptions> = {}): Promise<void> =>
  runAgent({
    holdfast,
    task: 'look around',
    turns: 3,
    maxTokens: 16,
    commandTimeoutMs: 10_000,
    directory,
    modelCommands: 'ignore',
    signal: new AbortController().signal,
    print: () => undefined,
    ...over,
  });
const lastMessage = (turn: wire.RunTurnRequest | undefined): string => {
  const input = turn?.input;
  if (input?.$case !== 'appendMessages') throw new Error(`the turn has ${input?.$case}, not what is new`);
  return input.value.messages.map(({ content }) => content).join();
};

describe('the shell agent', () => {
  it('runs the commands of its list, shows the model their output, and says which turn is the last', async () => {
    await run();
    expect(turns.map(({ last }) => last)).toEqual([false, false, true]);
    expect(turns[0]?.input?.$case).toBe('conversation');
    expect(tools.map(({ tool, command }) => [tool, command])).toEqual([
      ['bash', taskCommands[0]],
      ['bash', taskCommands[1]],
    ]);
    expect(lastMessage(turns[2])).toBe('exit 0\n299998\n299999\n300000\n');
    expect(ends).toMatchObject([{ outcome: wire.ProgramOutcome.COMPLETED }]);
  });

  it('runs what the model wrote only when told to', async () => {
    const answer = '```bash\necho model > who.txt; cat who.txt\n```';
    answers = [answer];
    await run({ turns: 2, modelCommands: 'run' });
    expect(lastMessage(turns[1])).toBe('exit 0\nmodel\n');
    expect(await readFile(join(directory, 'who.txt'), 'utf8')).toBe('model\n');
    answers = [answer];
    await run({ turns: 2 });
    expect(tools.at(-1)?.command).toBe(taskCommands[0]);
  });

  it('tells the model that a command was given up, and goes on', async () => {
    answers = ['```bash\nsleep 60\n```'];
    await run({ turns: 2, modelCommands: 'run', commandTimeoutMs: 100 });
    expect(lastMessage(turns[1])).toMatch(/^The command did not finish: TimeoutError/);
    expect(ends).toMatchObject([{ outcome: wire.ProgramOutcome.COMPLETED }]);
  });

  it('interrupted kills its command and ends its program failed', async () => {
    answers = ['```bash\nsleep 60\n```'];
    const abort = new AbortController();
    const running = run({ modelCommands: 'run', signal: abort.signal });
    const giveUpAtMs = performance.now() + 5_000;
    while (tools.length === 0 && performance.now() < giveUpAtMs)
      await new Promise((resolve) => setTimeout(resolve, 10));
    abort.abort(new Error('interrupted'));
    await expect(running).rejects.toThrow('interrupted');
    expect(ends).toMatchObject([{ outcome: wire.ProgramOutcome.FAILED, message: 'interrupted' }]);
  });
});
