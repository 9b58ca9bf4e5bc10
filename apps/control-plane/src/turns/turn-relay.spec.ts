import type { program as wire } from '@holdfast/contracts';
import { DomainError } from '@holdfast/platform';
import { instant } from '@holdfast/scheduling';
import { describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { LiveTurn } from './live-turn.js';
import { TurnRelay } from './turn-relay.js';

const newTurn = (): LiveTurn =>
  new LiveTurn({
    turnId: 't',
    programId: 'p',
    requestId: 'r',
    bodyDigest: '',
    isText: false,
    submittedAt: instant(0),
  });

const result = {
  finishReason: 'stop',
  promptTokens: 1,
  cachedTokens: 0,
  recomputedTokens: 0,
  finishedAt: instant(9),
  pin: null,
  toolCalls: [],
} as const;

/** A caller that takes one message when told to. */
const slowCaller = (
  highWaterMark: number,
): { stream: Writable; taken: wire.RunTurnResponse[]; take: () => Promise<void> } => {
  const taken: wire.RunTurnResponse[] = [];
  let release: (() => void) | null = null;
  const stream = new Writable({
    objectMode: true,
    highWaterMark,
    write: (message: wire.RunTurnResponse, _encoding, done) => {
      taken.push(message);
      release = done;
    },
  });
  const take = async (): Promise<void> => {
    release?.();
    await new Promise(setImmediate);
  };
  return { stream, taken, take };
};

const kinds = (messages: readonly wire.RunTurnResponse[]): (string | undefined)[] =>
  messages.map(({ event }) => event?.$case);

const tokens = (messages: readonly wire.RunTurnResponse[]): number[] =>
  messages.flatMap(({ event }) => (event?.$case === 'delta' ? event.value.tokenIds : []));

describe('TurnRelay', () => {
  it('writes nothing while the caller is full, and merges what came meanwhile', async () => {
    const turn = newTurn();
    const { stream, taken, take } = slowCaller(1);
    const relay = new TurnRelay({ turn, stream, fail: () => undefined });
    turn.markQueued(1);
    turn.markDispatched({ engineId: 'e', epoch: '1', now: instant(1) });
    for (let id = 0; id < 50; id += 1) turn.addOutput([id], instant(2));
    expect(relay.isBlocked).toBe(true);
    expect(turn.isCongested).toBe(true);
    expect(stream.writableLength).toBe(1);
    turn.finish(result);
    for (let step = 0; step < 6; step += 1) await take();
    expect(kinds(taken)).toEqual(['queued', 'started', 'delta', 'finished']);
    expect(tokens(taken)).toEqual(Array.from({ length: 50 }, (_, id) => id));
  });

  it('lets the engine go on as soon as one caller can take more', async () => {
    const turn = newTurn();
    const slow = slowCaller(1);
    new TurnRelay({ turn, stream: slow.stream, fail: () => undefined });
    turn.markQueued(1);
    expect(turn.isCongested).toBe(true);
    let isReadable = false;
    const waiting = turn.untilReadable().then(() => (isReadable = true));
    await new Promise(setImmediate);
    expect(isReadable).toBe(false);
    await slow.take();
    await waiting;
    expect(turn.isCongested).toBe(false);
  });

  it('gives a late caller the stream from its start', async () => {
    const turn = newTurn();
    turn.markQueued(1);
    turn.markDispatched({ engineId: 'e', epoch: '1', now: instant(1) });
    turn.addOutput([1, 2, 3], instant(2));
    turn.finish(result);
    const { stream, taken, take } = slowCaller(16);
    new TurnRelay({ turn, stream, fail: () => undefined });
    for (let step = 0; step < 4; step += 1) await take();
    expect(kinds(taken)).toEqual(['queued', 'started', 'delta', 'finished']);
    expect(turn.readers).toBe(0);
  });

  it('tells the start again when the turn moved to another engine', () => {
    const turn = newTurn();
    const { stream } = slowCaller(16);
    const sent: unknown[] = [];
    stream.write = ((message: wire.RunTurnResponse) => sent.push(message.event?.$case) > 0) as typeof stream.write;
    new TurnRelay({ turn, stream, fail: () => undefined });
    turn.markQueued(1);
    turn.markDispatched({ engineId: 'a', epoch: '1', now: instant(1) });
    turn.markDispatched({ engineId: 'b', epoch: '1', now: instant(2) });
    expect(sent).toEqual(['queued', 'started', 'started']);
  });

  it('hands the error over after the output that was there', () => {
    const turn = newTurn();
    const failures: string[] = [];
    const stream = new Writable({ objectMode: true, write: (_message, _encoding, done) => done() });
    new TurnRelay({ turn, stream, fail: (error) => failures.push(error.reason) });
    turn.markQueued(1);
    turn.fail(new DomainError({ kind: 'unavailable', reason: 'ENGINE_UNREACHABLE', message: 'gone' }));
    expect(failures).toEqual(['ENGINE_UNREACHABLE']);
  });

  it('frees the engine from a caller that leaves', async () => {
    const turn = newTurn();
    const { stream } = slowCaller(1);
    const relay = new TurnRelay({ turn, stream, fail: () => undefined });
    turn.markQueued(1);
    const waiting = turn.untilReadable();
    relay.close();
    await waiting;
    expect(turn.readers).toBe(0);
  });
});
