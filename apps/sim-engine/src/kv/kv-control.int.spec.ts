import { type ClientReadableStream, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { kv } from '@holdfast/contracts';
import { millis, seconds } from '@holdfast/scheduling';
import { detailsOf, failureOf, TestEngine, until } from '../../test/engine-harness.js';

const ids = (length: number, first = 0): number[] => Array.from({ length }, (_, index) => first + index);

const HOUR_MS = 3_600_000;

describe('KvControl', () => {
  let engine: TestEngine;
  beforeEach(async () => {
    engine = await TestEngine.startManual({ totalBlocks: 64, maxContextTokens: 1_024 });
  });
  afterEach(() => engine.stop());

  /** A finished turn of 160 prompt and 8 output tokens: ten full blocks. */
  const turn = (program: string, hints: object = {}, promptIds = ids(160, program.charCodeAt(0) * 200)) =>
    engine.ask({ promptIds, hints: { program, ...hints } });

  const pinRequest = (programId: string, fields: Partial<kv.PinRequest> = {}): kv.PinRequest =>
    kv.PinRequest.fromPartial({ programId, ttlMs: HOUR_MS, value: Infinity, ...fields });

  const heldPrograms = async (): Promise<string[]> => (await engine.listPins({})).pins.map((pin) => pin.programId);

  it('tells what the engine can do', async () => {
    expect(await engine.info({})).toEqual({
      interfaceVersion: 1,
      epoch: 'epoch-1',
      engineKind: 'sim',
      engineVersion: '0.1.0',
      totalBlocks: 64,
      hostBlocks: 0,
      reloadSecondsPerToken: 0,
      blockSize: 16,
      maxRunningRequests: 64,
      maxPinnedFraction: 0.95,
      ordersByRank: true,
      softPins: true,
      reranks: true,
    });
  });

  it('tells of host memory, and brings back from there what was overwritten', async () => {
    const host = { blocks: 64, reloadMicrosPerToken: 2.6 };
    const cachedBehind = async (fields: object): Promise<number | undefined> => {
      const other = await TestEngine.startManual({ totalBlocks: 16, maxContextTokens: 256, ...fields });
      try {
        const { hostBlocks, reloadSecondsPerToken } = await other.info({});
        expect([hostBlocks, reloadSecondsPerToken]).toEqual('host' in fields ? [64, 2.6e-6] : [0, 0]);
        const promptIds = ids(160, 0);
        await other.ask({ promptIds, hints: { program: 'a' } });
        await other.ask({ promptIds: ids(240, 1_000), hints: { program: 'b' } });
        return (await other.ask({ promptIds, hints: { program: 'a' } })).complete?.cachedTokens;
      } finally {
        await other.stop();
      }
    };
    // All but the last block, which must be computed in any case. Without host memory nothing has survived.
    expect(await cachedBehind({ host })).toBe(144);
    expect(await cachedBehind({})).toBe(0);
  });

  it('pins the last finished turn, lists it, and counts it', async () => {
    await turn('a');
    const { pin, epoch } = await engine.pin(pinRequest('a', { epoch: 'epoch-1' }));
    expect(epoch).toBe('epoch-1');
    expect(pin).toEqual({
      programId: 'a',
      pinnedBlocks: 10,
      pinnedTokens: 160,
      expiresInMs: HOUR_MS,
      soft: false,
      value: Infinity,
    });
    expect(await engine.listPins({})).toEqual({ pins: [pin], epoch: 'epoch-1' });
    const { stats } = await engine.stats({});
    expect(stats).toMatchObject({ epoch: 'epoch-1', pins: 1, pinnedBlocks: 10, promptTokens: 160n, outputTokens: 8n });
    expect(stats!.freeBlocks + stats!.evictableBlocks + stats!.pinnedBlocks + stats!.activeBlocks).toBe(64);
  });

  it('sets the pin that rides on a request, and answers with what it holds', async () => {
    const { complete } = await turn('a', { pin: { ttlMs: 5_000, value: 3 } });
    expect(JSON.parse(complete?.kvTransferParamsJson ?? '')).toEqual({
      holdfast: { pinnedBlocks: 10, pinnedTokens: 160, expiresInMs: 5_000, epoch: 'epoch-1' },
    });
    expect((await engine.listPins({})).pins).toMatchObject([{ programId: 'a', value: 3, soft: false }]);
  });

  it('answers hints without a pin with nothing held, and no hints with nothing', async () => {
    expect(JSON.parse((await turn('a')).complete?.kvTransferParamsJson ?? '')).toEqual({
      holdfast: { pinnedBlocks: 0, pinnedTokens: 0, expiresInMs: 0, epoch: 'epoch-1' },
    });
    expect((await engine.ask({})).complete?.kvTransferParamsJson).toBeUndefined();
  });

  it('keeps pinned KV while others need room, where unpinned KV is lost', async () => {
    const [first] = [await turn('a', { pin: { ttlMs: HOUR_MS } }), await turn('b')];
    for (let other = 0; other < 4; other += 1) await engine.ask({ promptIds: ids(640, 1_000 * (other + 60)) });
    const again = await turn('a', {}, [...ids(160, 'a'.charCodeAt(0) * 200), ...(first.complete?.outputIds ?? [])]);
    expect(again.complete?.cachedTokens).toBe(160);
    expect((await turn('b')).complete?.cachedTokens).toBe(0);
    expect(await heldPrograms()).toEqual([]);
  });

  it('ends a pin when its time is over, in model time', async () => {
    await turn('a', { pin: { ttlMs: 10_000 } });
    await engine.pass(millis(9_900));
    expect((await engine.listPins({})).pins).toMatchObject([{ programId: 'a', expiresInMs: expect.any(Number) }]);
    await engine.pass(millis(200));
    expect(await heldPrograms()).toEqual([]);
    expect((await engine.stats({})).stats).toMatchObject({ pins: 0, pinnedBlocks: 0 });
  });

  it('renews a pin with a new time, and keeps the value that is not given', async () => {
    await turn('a', { pin: { ttlMs: 1_000, value: 7 } });
    const renewed = await engine.renew({ programId: 'a', epoch: '', ttlMs: 60_000 });
    expect(renewed.pin).toMatchObject({ expiresInMs: 60_000, value: 7 });
    await engine.pass(seconds(30));
    expect((await engine.renew({ programId: 'a', epoch: 'epoch-1', ttlMs: 5, value: Infinity })).pin).toMatchObject({
      expiresInMs: 5,
      value: Infinity,
    });
  });

  it('releases a pin once, and says when there was none', async () => {
    await turn('a', { pin: { ttlMs: HOUR_MS } });
    expect(await engine.release({ programId: 'a', epoch: '' })).toEqual({ released: true });
    expect(await engine.release({ programId: 'a', epoch: '' })).toEqual({ released: false });
  });

  it('keeps no pin of a program whose last turn it was', async () => {
    await turn('a', { last: true, pin: { ttlMs: HOUR_MS } });
    expect(await heldPrograms()).toEqual([]);
    expect(detailsOf(await failureOf(engine.pin(pinRequest('a'))))?.reason).toBe('KV_NOT_RESIDENT');
  });

  it.each<[string, (target: TestEngine) => Promise<unknown>, status, string, RegExp]>([
    ['a pin without program', (e) => e.pin(pinRequest('')), status.INVALID_ARGUMENT, 'FIELD_INVALID', /program_id/],
    [
      'a pin of no time',
      (e) => e.pin(pinRequest('a', { ttlMs: 0 })),
      status.INVALID_ARGUMENT,
      'FIELD_INVALID',
      /ttl_ms: is 0; allowed: 1/,
    ],
    [
      'a value that is no number',
      (e) => e.pin(pinRequest('a', { value: Number.NaN })),
      status.INVALID_ARGUMENT,
      'FIELD_INVALID',
      /value: is NaN/,
    ],
    [
      'a pin for another epoch',
      (e) => e.pin(pinRequest('a', { epoch: 'old' })),
      status.ABORTED,
      'EPOCH_STALE',
      /"old"; allowed: "epoch-1"/,
    ],
    [
      'a renewal for another epoch',
      (e) => e.renew({ programId: 'a', epoch: 'old', ttlMs: 1 }),
      status.ABORTED,
      'EPOCH_STALE',
      /old/,
    ],
    [
      'a rank for another epoch',
      (e) => e.rerank({ requestId: 'r', epoch: 'old', rank: 1n }),
      status.ABORTED,
      'EPOCH_STALE',
      /old/,
    ],
    [
      'a rank that no hint could carry',
      (e) => e.rerank({ requestId: '', epoch: '', rank: 2n ** 53n }),
      status.INVALID_ARGUMENT,
      'FIELD_INVALID',
      /request_id: is empty.*rank: is 9007199254740992; allowed: -9007199254740991 to/,
    ],
    [
      'a release for another epoch',
      (e) => e.release({ programId: 'a', epoch: 'old' }),
      status.ABORTED,
      'EPOCH_STALE',
      /old/,
    ],
    [
      'a pin of an unknown program',
      (e) => e.pin(pinRequest('nobody')),
      status.FAILED_PRECONDITION,
      'KV_NOT_RESIDENT',
      /nobody/,
    ],
    [
      'a renewal without a pin',
      (e) => e.renew({ programId: 'nobody', epoch: '', ttlMs: 1 }),
      status.NOT_FOUND,
      'PIN_NOT_FOUND',
      /nobody/,
    ],
  ])('refuses %s', async (_, act, code, reason, message) => {
    const error = await failureOf(act(engine));
    expect(error.code).toBe(code);
    expect(detailsOf(error)?.reason).toBe(reason);
    expect(error.details).toMatch(message);
  });

  it('names every bad field of a call at once', async () => {
    const error = await failureOf(engine.pin(pinRequest('', { ttlMs: 0, value: -1 })));
    expect(detailsOf(error)?.fieldViolations?.map(({ field }) => field)).toEqual(['program_id', 'ttl_ms', 'value']);
  });

  it('refuses a hard pin above the cap, and takes a soft one', async () => {
    const narrow = await TestEngine.startManual({ totalBlocks: 64, maxContextTokens: 1_024, maxPinnedFraction: 0.1 });
    await narrow.ask({ promptIds: ids(160), hints: { program: 'a' } });
    const error = await failureOf(narrow.pin(pinRequest('a')));
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(detailsOf(error)?.reason).toBe('PIN_CAP_REACHED');
    expect((await narrow.pin(pinRequest('a', { soft: true }))).pin?.pinnedBlocks).toBe(10);
    await narrow.stop();
  });

  describe('Watch', () => {
    const watch = (
      statsIntervalMs: number,
    ): { readonly call: ClientReadableStream<kv.WatchResponse>; readonly seen: kv.WatchResponse[] } => {
      const call = engine.kv.watch({ statsIntervalMs });
      const seen: kv.WatchResponse[] = [];
      call.on('data', (message: kv.WatchResponse) => seen.push(message));
      call.on('error', () => undefined);
      return { call, seen };
    };

    const pinEvents = (seen: readonly kv.WatchResponse[]): kv.PinEvent[] =>
      seen.flatMap(({ payload }) => (payload?.$case === 'pinEvent' ? [payload.value] : []));

    it('begins with stats, and sends more at the interval, in model time', async () => {
      const { call, seen } = watch(1_000);
      await until(() => seen.length === 1);
      expect(seen[0]?.payload).toMatchObject({ $case: 'stats', value: { epoch: 'epoch-1', totalBlocks: 64 } });
      await engine.pass(seconds(3));
      await until(() => seen.length === 4);
      expect(seen.every(({ payload }) => payload?.$case === 'stats')).toBe(true);
      call.cancel();
    });

    it('sends each change of a pin, in order and numbered', async () => {
      const { call, seen } = watch(60_000);
      await until(() => seen.length === 1);
      await turn('a', { pin: { ttlMs: 60_000 } });
      await engine.renew({ programId: 'a', epoch: '', ttlMs: 100_000 });
      await turn('a', { pin: { ttlMs: 60_000 } });
      await engine.release({ programId: 'a', epoch: '' });
      await engine.pin(pinRequest('a', { ttlMs: 1_000 }));
      await engine.pass(seconds(2));
      await until(() => pinEvents(seen).length === 7);
      expect(pinEvents(seen).map(({ change }) => kv.PinChange[change])).toEqual([
        'SET',
        'RENEWED',
        'HIT',
        'SET',
        'RELEASED',
        'SET',
        'EXPIRED',
      ]);
      expect(pinEvents(seen).map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n]);
      expect(pinEvents(seen)[0]?.pin).toMatchObject({ programId: 'a', pinnedTokens: 160, expiresInMs: 60_000 });
      call.cancel();
    });

    it('says which pressure revoked a pin', async () => {
      const { call, seen } = watch(60_000);
      await until(() => seen.length === 1);
      await turn('a', { pin: { ttlMs: HOUR_MS, value: 1 } });
      await engine.ask({ promptIds: ids(1_000, 60_000), hints: { program: 'b', bid: 2 } });
      await until(() => pinEvents(seen).length === 2);
      expect(pinEvents(seen)[1]).toMatchObject({
        change: kv.PinChange.REVOKED,
        reason: kv.RevocationReason.OUTBID,
        pin: { programId: 'a' },
      });
      call.cancel();
    });

    it.each([1, 9, 60_001])('refuses an interval of %d ms', async (statsIntervalMs) => {
      const call = engine.kv.watch({ statsIntervalMs });
      const error = await failureOf(new Promise((resolve, reject) => call.on('data', resolve).on('error', reject)));
      expect(error.code).toBe(status.INVALID_ARGUMENT);
      expect(error.details).toMatch(/stats_interval_ms: is \d+; allowed: 0, or 10 to 60000/);
    });
  });
});
