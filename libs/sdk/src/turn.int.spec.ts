import { program as wire } from '@holdfast/contracts';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { ReplayDivergedError } from './errors.js';
import type { HoldfastOptions } from './options.js';
import type { Program } from './program.js';
import {
  ScriptedService,
  delta,
  failure,
  finished,
  hello,
  queued,
  started,
  turn,
  type TurnScript,
  type TurnStream,
  until,
} from './scripted-service.fixture.js';
import type { TurnDelta } from './turn-result.js';

let service: ScriptedService;
beforeEach(async () => {
  service = new ScriptedService();
  await service.listen();
});
afterEach(() => service.close());

const start = (options?: Partial<HoldfastOptions>): Promise<Program> => service.client(options).start();
const play = (...scripts: TurnScript[]): void => void service.turns.splice(0, service.turns.length, ...scripts);
const requestIds = (): string[] => service.requests<wire.RunTurnRequest>('runTurn').map(({ requestId }) => requestId);
const collect = async (deltas: AsyncIterable<TurnDelta>): Promise<TurnDelta> => {
  const all: TurnDelta[] = [];
  for await (const one of deltas) all.push(one);
  return { tokenIds: all.flatMap(({ tokenIds }) => tokenIds), text: all.map(({ text }) => text).join('') };
};
/** A script that writes its events and then stays open; the stream is handed out. */
const hanging = (events: readonly wire.RunTurnResponse[]): { script: TurnScript; stream: Promise<TurnStream> } => {
  let give: (stream: TurnStream) => void;
  const stream = new Promise<TurnStream>((resolve) => (give = resolve));
  const script: TurnScript = (call) => {
    for (const event of events) call.write(event);
    give(call);
  };
  return { script, stream };
};
const askedOnce = { appendIds: [1] };

describe('a turn', () => {
  it('awaited gives the whole result', async () => {
    const usage = { promptTokens: 100, cachedTokens: 90, outputTokens: 3, recomputedTokens: 4 };
    const pin = { engineId: 'engine-b', pinnedTokens: 96, expiresAt: { seconds: 1_800_000_000n, nanos: 500_000_000 } };
    const toolCalls = [{ toolCallId: 'c1', tool: 'bash', argumentsJson: '{"command":"ls"}' }];
    const timeToFirstToken = { seconds: 1n, nanos: 0 };
    const last = finished({ usage, pin, toolCalls, timeToFirstToken, finishReason: wire.FinishReason.LENGTH });
    play(turn([queued(true), started('engine-b'), delta([1, 2], 'hel'), delta([3], 'lo'), last]));
    const program = await start();
    expect(await program.turn({ ...askedOnce, requestId: 'r1' })).toEqual({
      turnId: 't1',
      requestId: 'r1',
      text: 'hello',
      tokenIds: [1, 2, 3],
      toolCalls,
      usage,
      finishReason: 'length',
      engineId: 'engine-b',
      isCompaction: true,
      queueWaitMs: 12.5,
      timeToFirstTokenMs: 1_000,
      durationMs: 0,
      pin: { engineId: 'engine-b', pinnedTokens: 96, expiresAt: new Date(1_800_000_000_500) },
    });
  });

  it('iterated gives its deltas, and awaited after that its result, with one call', async () => {
    const program = await start();
    const submitted = program.turn(askedOnce);
    expect(await collect(submitted)).toEqual({ tokenIds: [1, 2, 3], text: 'hello' });
    expect((await submitted).text).toBe('hello');
    expect((await submitted.result).text).toBe('hello');
    expect(service.seen('runTurn')).toHaveLength(1);
  });

  it('can be awaited while a loop lies still after its first delta', async () => {
    const many = Array.from({ length: 500 }, (_, id) => delta([id], 'x'));
    play(turn([queued(), started(), ...many, finished()]));
    const submitted = (await start()).turn(askedOnce);
    const loop = submitted[Symbol.asyncIterator]();
    await loop.next();
    expect((await submitted).tokenIds).toHaveLength(500);
  });

  it('left early goes on to its end', async () => {
    const submitted = (await start()).turn(askedOnce);
    for await (const _ of submitted) break;
    expect((await submitted).text).toBe('hello');
  });

  it.each<[string, object, wire.RunTurnRequest['input']]>([
    ['promptIds', { promptIds: [5, 6] }, { $case: 'prompt', value: { ids: [5, 6] } }],
    ['appendIds', { appendIds: Uint32Array.of(7) }, { $case: 'append', value: { ids: [7] } }],
    [
      'messages',
      { messages: [{ role: 'user', content: 'hi' }], tools: [{ type: 'function', function: { name: 'bash' } }] },
      {
        $case: 'conversation',
        value: {
          messages: [{ role: 'user', content: 'hi', toolCalls: [], toolCallId: '' }],
          toolsJson: '[{"type":"function","function":{"name":"bash"}}]',
        },
      },
    ],
    [
      'appendMessages',
      {
        appendMessages: [
          { role: 'assistant', content: '', toolCalls: [{ toolCallId: 'c1', tool: 'bash', argumentsJson: '{}' }] },
          { role: 'tool', content: 'ok', toolCallId: 'c1' },
        ],
      },
      {
        $case: 'appendMessages',
        value: {
          messages: [
            {
              role: 'assistant',
              content: '',
              toolCalls: [{ toolCallId: 'c1', tool: 'bash', argumentsJson: '{}' }],
              toolCallId: '',
            },
            { role: 'tool', content: 'ok', toolCalls: [], toolCallId: 'c1' },
          ],
          toolsJson: '',
        },
      },
    ],
  ])('sends %s, sampling and all', async (_, input, expected) => {
    const program = await start();
    const sampling = { maxTokens: 9, minTokens: 2, ignoreEos: true, temperature: 0.5, topP: 0.25, topK: 4, seed: 1 };
    await program.turn({ ...(input as { promptIds: number[] }), ...sampling, stop: ['END'], last: true });
    const [request] = service.requests<wire.RunTurnRequest>('runTurn');
    expect(request).toMatchObject({ programId: 'p1', input: expected, last: true });
    expect(request?.sampling).toEqual({ ...wire.Sampling.create(), ...sampling, stop: ['END'] });
    expect(request?.requestId).toMatch(/^[\w-]{1,128}$/);
  });
});

describe('a turn that fails', () => {
  it('before any output is sent again, unchanged', async () => {
    play(turn([], failure('UNAVAILABLE', { reason: 'DRAINING' })), turn([queued()], failure('UNAVAILABLE')), hello);
    const program = await start();
    expect((await program.turn(askedOnce)).text).toBe('hello');
    const requests = service.requests<wire.RunTurnRequest>('runTurn');
    expect(requests).toHaveLength(3);
    expect(requests[1]).toEqual(requests[0]);
    expect(requests[2]).toEqual(requests[0]);
  });

  it('with INVALID_ARGUMENT is not sent again, and says which field', async () => {
    const fieldViolations = [{ field: 'sampling.max_tokens', description: 'is 0; allowed: from 1' }];
    play(turn([], failure('INVALID_ARGUMENT', { reason: 'FIELD_INVALID', fieldViolations })));
    const program = await start();
    const failed = program.turn({ ...askedOnce, maxTokens: 0 });
    await expect(failed.result).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'FIELD_INVALID',
      fieldViolations,
    });
    await expect(collect(failed)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(service.seen('runTurn')).toHaveLength(1);
  });

  it('because the queue is full waits as long as it was told', async () => {
    play(turn([], failure('RESOURCE_EXHAUSTED', { reason: 'QUEUE_FULL', retryAfterMs: 150 })), hello);
    const program = await start();
    expect((await program.turn(askedOnce)).text).toBe('hello');
    const [first, second] = service.seen('runTurn');
    // A timer may fire a fraction of a millisecond early.
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(149);
  });

  it('after part of its output is taken up again, and no token is handed out twice', async () => {
    play(
      turn([queued(), started(), delta([1, 2], 'ab')], failure('UNAVAILABLE')),
      turn([queued(), started('engine-b'), delta([1], 'a'), delta([2, 3], 'bc')], failure('UNAVAILABLE')),
      turn([queued(), started('engine-b'), delta([1, 2, 3, 4], 'abcd'), finished()]),
    );
    const submitted = (await start()).turn(askedOnce);
    expect(await collect(submitted)).toEqual({ tokenIds: [1, 2, 3, 4], text: 'abcd' });
    expect(await submitted).toMatchObject({ tokenIds: [1, 2, 3, 4], text: 'abcd', engineId: 'engine-b' });
    expect(new Set(requestIds()).size).toBe(1);
  });

  it('fails with ReplayDivergedError when its second run differs from what was handed out', async () => {
    const cut = hanging([queued(), started(), delta([1, 2], 'ab')]);
    play(cut.script, turn([queued(), started(), delta([1, 9], 'ax'), finished()]));
    const submitted = (await start()).turn(askedOnce);
    const loop = submitted[Symbol.asyncIterator]();
    expect((await loop.next()).value).toEqual({ tokenIds: [1, 2], text: 'ab' });
    (await cut.stream).emit('error', failure('UNAVAILABLE'));
    await expect(loop.next()).rejects.toBeInstanceOf(ReplayDivergedError);
    await expect(submitted.result).rejects.toMatchObject({ metadata: { tokenIndex: '1' } });
    expect(service.seen('runTurn')).toHaveLength(2);
  });

  it('takes the second run as it is when nobody saw the first', async () => {
    play(
      turn([queued(), started(), delta([1, 2], 'ab')], failure('UNAVAILABLE')),
      turn([queued(), started(), delta([8, 9], 'xy'), finished()]),
    );
    const program = await start();
    expect(await program.turn(askedOnce)).toMatchObject({ tokenIds: [8, 9], text: 'xy' });
  });

  it('because the connection was cut is taken up after the service came back', async () => {
    const cut = hanging([queued(), started(), delta([1], 'a')]);
    play(cut.script, turn([queued(), started(), delta([1, 2], 'ab'), finished()]));
    const submitted = (await start()).turn(askedOnce);
    const loop = submitted[Symbol.asyncIterator]();
    expect((await loop.next()).value).toEqual({ tokenIds: [1], text: 'a' });
    service.kill();
    await service.listen();
    expect((await loop.next()).value).toEqual({ tokenIds: [2], text: 'b' });
    expect((await submitted).text).toBe('ab');
    expect(new Set(requestIds()).size).toBe(1);
  });

  it('keeps its result when the stream breaks after the last event', async () => {
    play(turn([queued(), started(), delta([1], 'a'), finished()], failure('INTERNAL')));
    const program = await start();
    expect((await program.turn(askedOnce)).text).toBe('a');
  });

  it('whose stream ends before the turn says so', async () => {
    play(turn([queued(), started(), delta([1], 'a')]));
    const program = await start();
    await expect(program.turn(askedOnce).result).rejects.toThrow(/the stream of turn .* ended before the turn/);
  });

  it('that nobody observes does not end the process', async () => {
    play(turn([], failure('INTERNAL', { reason: 'INTERNAL' })));
    const program = await start();
    program.turn(askedOnce);
    await until(() => service.seen('runTurn').length > 0);
    // Node reports an unhandled rejection, and Jest fails the test, within a turn of the event loop.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(service.seen('runTurn')).toHaveLength(1);
  });
});

describe('cancelling', () => {
  const cancels: [
    string,
    (program: Program, abort: AbortController) => { result: PromiseLike<unknown>; cancel: () => void },
  ][] = [
    [
      'by signal',
      (program, abort) => ({
        result: program.turn({ ...askedOnce, signal: abort.signal }).result,
        cancel: () => abort.abort(new Error('enough')),
      }),
    ],
    [
      'by cancel()',
      (program) => {
        const submitted = program.turn(askedOnce);
        return { result: submitted.result, cancel: () => submitted.cancel(new Error('enough')) };
      },
    ],
  ];
  it.each(cancels)('%s reaches the service and rejects with the reason', async (_, submit) => {
    const open = hanging([queued(), started(), delta([1], 'a')]);
    play(open.script);
    const { result, cancel } = submit(await start(), new AbortController());
    const stream = await open.stream;
    const cancelled = once(stream, 'cancelled');
    cancel();
    await expect(result).rejects.toThrow('enough');
    await cancelled;
    expect(service.seen('runTurn')).toHaveLength(1);
  });

  it('without a reason rejects with an AbortError, in the loop too', async () => {
    const open = hanging([queued(), started(), delta([1], 'a')]);
    play(open.script);
    const submitted = (await start()).turn(askedOnce);
    const loop = submitted[Symbol.asyncIterator]();
    await loop.next();
    submitted.cancel();
    await expect(loop.next()).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('before the turn is sent sends nothing', async () => {
    const program = await start();
    await expect(program.turn({ ...askedOnce, signal: AbortSignal.abort(new Error('early')) }).result).rejects.toThrow(
      'early',
    );
    expect(service.seen('runTurn')).toHaveLength(0);
  });

  it('a turn lets the next one wait until the service has heard of it', async () => {
    const running = (): TurnScript => turn([], failure('FAILED_PRECONDITION', { reason: 'TURN_RUNNING' }));
    const open = hanging([queued()]);
    play(open.script, running(), running(), hello, running());
    const program = await start();
    const given = program.turn(askedOnce);
    await open.stream;
    given.cancel(new Error('enough'));
    expect((await program.turn(askedOnce)).text).toBe('hello');
    await expect(program.turn(askedOnce).result).rejects.toMatchObject({ reason: 'TURN_RUNNING' });
    expect(service.seen('runTurn')).toHaveLength(5);
  });

  it('by deadline reaches the service and is DEADLINE_EXCEEDED', async () => {
    const open = hanging([queued()]);
    play(open.script);
    const program = await start();
    const failed = program.turn({ ...askedOnce, timeoutMs: 200 }).result;
    const cancelled = once(await open.stream, 'cancelled');
    await expect(failed).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await cancelled;
    expect(service.seen('runTurn')).toHaveLength(1);
  });
});

describe('a slow loop', () => {
  it('slows the stream, and still gets everything', async () => {
    const total = 2_000;
    const text = 'x'.repeat(4_096);
    let sent = 0;
    play(async (stream) => {
      stream.write(queued());
      for (; sent < total; sent += 1) {
        if (!stream.write(delta([sent], text))) await once(stream, 'drain');
      }
      stream.write(finished());
      stream.end();
    });
    const submitted = (await start()).turn(askedOnce);
    const loop = submitted[Symbol.asyncIterator]();
    await loop.next();
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(sent).toBeLessThan(total / 2);
    let received = 1;
    while (!(await loop.next()).done) received += 1;
    expect(received).toBe(total);
    expect((await submitted).tokenIds).toHaveLength(total);
  });
});
