import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { tokenDigest } from '@holdfast/chunk-cache';
import { chunk } from '@holdfast/contracts';
import { createChunkClient, type ChunkEngineClient, type ChunkWork } from '@holdfast/engines';
import { systemClock } from '@holdfast/platform';
import { instant } from '@holdfast/scheduling';
import { testSettings } from '../../test/engine-harness.js';
import { startSimEngine, type SimEngine } from '../sim-engine.js';
import type { ChunkSettings } from './chunk-settings.js';

const KV_BYTES = 1_000;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const chunks = (overrides: Partial<ChunkSettings> = {}): ChunkSettings => ({
  memoryBytes: 1_000_000,
  kvBytesPerToken: KV_BYTES,
  diskBytes: 0,
  loadBytesPerSecond: 1e9,
  diskBytesPerSecond: 1e8,
  nonPrefix: true,
  damageNats: () => 0.1,
  ...overrides,
});

let engine: SimEngine;
let client: ChunkEngineClient;
const start = async (settings: Partial<ChunkSettings> = {}, epoch = 'epoch-1'): Promise<void> => {
  engine = await startSimEngine({
    settings: testSettings({ chunks: chunks(settings), epoch }),
    host: '127.0.0.1',
    port: 0,
    clock: systemClock({ scale: 100 }),
    version: '0',
    logger: silent,
  });
  client = createChunkClient({ engineId: 'e', address: engine.address });
};
const stop = async (): Promise<void> => {
  client.close();
  await engine.close();
};
beforeEach(() => start());
afterEach(stop);

const ids = (length: number, seed: number): number[] => Array.from({ length }, (_, at) => (7 * seed + at) % 250);
const HEAD = ids(20, 1);
const A = ids(100, 2);
const B = ids(100, 3);
const TAIL = ids(10, 4);

interface Part {
  readonly ids: readonly number[];
  readonly work?: chunk.Segment['work'];
  readonly capture?: string;
}
const stored = (
  kind: 'prefix' | 'reuse',
  variantId: string,
  of: readonly number[],
  extra: object = {},
): chunk.Segment['work'] => {
  const digest = { variantId, generation: 0n, tokenDigest: Buffer.from(tokenDigest(of), 'hex') };
  return kind === 'prefix'
    ? { $case: kind, value: { ...chunk.PrefixSegment.create(), ...digest, ...extra } }
    : { $case: kind, value: { ...chunk.ReuseSegment.create(), ...digest, ...extra } };
};
const specOf = (variantId: string, salt = 's'): chunk.VariantSpec =>
  chunk.VariantSpec.create({
    variantId,
    chunkId: variantId.split('/')[0]!,
    salt,
    source: 'handbook',
    sourceVersion: '1',
  });
const planOf = (parts: readonly Part[]): chunk.Plan => {
  let at = 0;
  const segments = parts.map(({ ids: of, work }, segmentId): chunk.Segment => {
    const range = { start: at, end: at + of.length };
    at = range.end;
    return { segmentId, range, work: work ?? { $case: 'compute', value: { question: false } } };
  });
  const captures = parts.flatMap(({ capture }, segmentId) =>
    capture === undefined ? [] : [{ segmentId, variant: specOf(capture), onlyIfCanonical: true }],
  );
  return { segments, captures, requestFix: undefined, maxLoadedBytes: 0n };
};
const run = async (parts: readonly Part[], overrides: Partial<ChunkWork> = {}): Promise<chunk.ExecuteResult> => {
  const events = client.generate({
    requestId: 'r',
    promptIds: Uint32Array.from(parts.flatMap(({ ids: of }) => of)),
    sampling: { maxTokens: 4, ignoreEos: true },
    hints: { programId: 'p', turn: 0, programArrivedAt: instant(0), rank: 0, bid: 0, isLast: false },
    chunks: { plan: planOf(parts), salt: 's', epoch: '', fingerprint: '', isShadowed: false, ...overrides },
    signal: new AbortController().signal,
  });
  for await (const event of events) if (event.type === 'complete') return event.chunks!;
  throw new Error('no result');
};
const storeAll = (): Promise<chunk.ExecuteResult> =>
  run([{ ids: HEAD, capture: 'head/0' }, { ids: A, capture: 'a/0' }, { ids: B, capture: 'b/0' }, { ids: TAIL }]);

describe('a simulated engine that reuses chunks', () => {
  it('stores what it is told to and uses it as an exact prefix', async () => {
    const first = await storeAll();
    expect(first).toMatchObject({ computedTokens: 230, reusedTokens: 0 });
    expect(first.captured.map(({ spec, bytes, canonical }) => [spec?.variantId, bytes, canonical])).toEqual([
      ['head/0', 20n * BigInt(KV_BYTES), true],
      ['a/0', 100n * BigInt(KV_BYTES), true],
      ['b/0', 100n * BigInt(KV_BYTES), true],
    ]);
    const second = await run([
      { ids: HEAD, work: stored('prefix', 'head/0', HEAD) },
      { ids: A, work: stored('prefix', 'a/0', A) },
      { ids: TAIL },
    ]);
    expect(second).toMatchObject({ computedTokens: 10, reusedTokens: 120, prefixTokens: 120 });
    expect(second.timing!.ttftMs).toBeLessThan(first.timing!.ttftMs);
  });

  it('reuses a chunk behind others, repairs as many tokens as it is told to, and pays for them', async () => {
    await storeAll();
    const reuse = (countTokens: number): Promise<chunk.ExecuteResult> =>
      run(
        [
          {
            ids: B,
            work: stored('reuse', 'b/0', B, {
              fix: { selector: chunk.Selector.FIRST, tokens: [], tokenCount: countTokens },
            }),
          },
          { ids: TAIL },
        ],
        { isShadowed: true },
      );
    const [none, some, all] = [await reuse(0), await reuse(30), await reuse(100)];
    expect([none, some, all].map(({ reusedTokens, computedTokens }) => [reusedTokens, computedTokens])).toEqual([
      [100, 10],
      [70, 40],
      [0, 110],
    ]);
    const losses = [none, some, all].map(({ shadow }) => shadow!.klPerToken);
    expect(losses[0]).toBeGreaterThan(losses[1]!);
    expect(losses[1]).toBeGreaterThan(losses[2]!);
    expect(losses[2]).toBe(0);
    const times = [none, some, all].map(({ timing }) => timing!.prefillMs);
    expect(times[0]).toBeLessThan(times[1]!);
    expect(times[1]).toBeLessThan(times[2]!);
  });

  it('gives the answer of the prompt, whatever is reused', async () => {
    await storeAll();
    const answerOf = async (parts: readonly Part[]): Promise<number[]> => {
      const events = client.generate({
        requestId: 'r',
        promptIds: Uint32Array.from([...B, ...TAIL]),
        sampling: { maxTokens: 12, ignoreEos: true },
        hints: { programId: 'p', turn: 0, programArrivedAt: instant(0), rank: 0, bid: 0, isLast: false },
        chunks: { plan: planOf(parts), salt: 's', epoch: '', fingerprint: '', isShadowed: false },
        signal: new AbortController().signal,
      });
      for await (const event of events) if (event.type === 'complete') return [...event.outputIds];
      return [];
    };
    const reused = await answerOf([{ ids: B, work: stored('reuse', 'b/0', B) }, { ids: TAIL }]);
    expect(reused).toHaveLength(12);
    expect(reused).toEqual(await answerOf([{ ids: B }, { ids: TAIL }]));
  });

  it.each([
    ['it does not hold', stored('reuse', 'none', B), {}, chunk.MissReason.ABSENT],
    ['is of another text', stored('reuse', 'a/0', A), {}, chunk.MissReason.TOKENS],
    ['is of another tenant', stored('reuse', 'b/0', B), { salt: 'other' }, chunk.MissReason.SALT],
    ['is of another generation', stored('reuse', 'b/0', B, { generation: 7n }), {}, chunk.MissReason.GENERATION],
    ['is no prefix here', stored('prefix', 'b/0', B), {}, chunk.MissReason.NOT_PREFIX],
  ])('computes instead of using what %s', async (_, work, overrides, missReason) => {
    await storeAll();
    const { segments, reusedTokens } = await run([{ ids: B, work }, { ids: TAIL }], overrides);
    expect(segments[0]).toMatchObject({ missReason, recomputedTokens: 100 });
    expect(reusedTokens).toBe(0);
  });

  it('tries the alternates of what is gone, or fails where it shall', async () => {
    await storeAll();
    const work = (onMiss: chunk.MissAction): chunk.Segment['work'] =>
      stored('reuse', 'none', B, { onMiss, alternateVariantIds: ['neither', 'b/0'] });
    const { segments } = await run([{ ids: B, work: work(chunk.MissAction.ALTERNATE) }, { ids: TAIL }]);
    expect(segments[0]).toMatchObject({ variantId: 'b/0', missedVariantId: 'none', reusedTokens: 100 });
    await expect(run([{ ids: B, work: work(chunk.MissAction.FAIL) }, { ids: TAIL }])).rejects.toMatchObject({
      reason: 'KV_NOT_RESIDENT',
    });
  });

  it('stores nothing that was computed behind reused KV', async () => {
    await storeAll();
    const { captured } = await run([
      { ids: B, work: stored('reuse', 'b/0', B) },
      { ids: A, capture: 'a/1' },
      { ids: TAIL },
    ]);
    expect(captured).toEqual([]);
  });

  it('builds, lists, drops and forgets on request, the same operation once', async () => {
    const item = chunk.BuildItem.create({
      variant: specOf('a/n'),
      tokenIds: A,
      prefix: [{ chunkId: 'z', tokenIds: B }],
    });
    const request = { opId: 'op', epoch: '', fingerprint: '', items: [item] };
    const [built] = await client.chunks.build(request);
    const [again] = await client.chunks.build(request);
    expect(again!.generation).toBe(1n);
    expect(built!.stats!.inter).toHaveLength(1);
    await client.chunks.build({ ...request, opId: 'op2', items: [{ ...item, variant: specOf('b/n') }] });
    expect((await client.chunks.list()).map(({ spec }) => spec!.variantId)).toEqual(['a/n', 'b/n']);
    expect(await client.chunks.invalidate({ opId: 'i', chunkId: 'z' })).toEqual(['a/n', 'b/n']);
    await client.chunks.build({ ...request, opId: 'op3' });
    await client.chunks.evict('e', ['a/n', 'never']);
    expect(await client.chunks.list()).toEqual([]);
  });

  it('drops what the caller does not know, and says what it does not have', async () => {
    await storeAll();
    const known = [
      { variantId: 'a/0', generation: 1n },
      { variantId: 'gone', generation: 1n },
    ];
    const answer = await client.chunks.reconcile('r', known);
    expect(answer).toMatchObject({ missingVariantIds: ['gone'], droppedVariantIds: ['b/0', 'head/0'] });
    expect((await client.chunks.list()).map(({ spec }) => spec!.variantId)).toEqual(['a/0']);
  });

  it('evicts the least recently used when memory is short, and tells those who watch', async () => {
    await stop();
    await start({ memoryBytes: 250 * KV_BYTES });
    const abort = new AbortController();
    const events = client.chunks.watchEvents({ epoch: 'epoch-1', since: 0n, signal: abort.signal });
    await storeAll();
    await client.chunks.build({
      opId: 'op',
      epoch: '',
      fingerprint: '',
      items: [chunk.BuildItem.create({ variant: specOf('c/0'), tokenIds: ids(100, 9) })],
    });
    const seen: string[] = [];
    for await (const { payload } of events) {
      if (payload?.$case === 'event') seen.push(`${chunk.EventKind[payload.value.kind]} ${payload.value.variantId}`);
      if (seen.at(-1) === 'STORED c/0') break;
    }
    abort.abort();
    expect(seen).toContain('EVICTED head/0');
    expect((await client.chunks.list()).map(({ spec }) => spec!.variantId)).toEqual(['b/0', 'c/0']);
  });

  it('keeps on disk what memory has no room for, and loads it ahead when it is told to', async () => {
    await stop();
    await start({ memoryBytes: 250 * KV_BYTES, diskBytes: 10_000 * KV_BYTES, diskBytesPerSecond: 1e5 });
    await storeAll();
    await client.chunks.build({
      opId: 'op',
      epoch: '',
      fingerprint: '',
      items: [chunk.BuildItem.create({ variant: specOf('c/0'), tokenIds: ids(100, 9) })],
    });
    const tiers = async (): Promise<Record<string, string>> =>
      Object.fromEntries(
        (await client.chunks.list()).map((one) => [
          one.spec!.variantId,
          one.tiers.map((tier) => chunk.Tier[tier]).join(),
        ]),
      );
    const near = 'MEMORY,DISK';
    expect(await tiers()).toEqual({ 'a/0': 'DISK', 'b/0': near, 'c/0': near, 'head/0': 'DISK' });
    const prompt = [{ ids: HEAD }, { ids: A, work: stored('reuse', 'a/0', A) }, { ids: TAIL }];
    const cold = await run(prompt);
    // 100 tokens of 1,000 bytes at 100,000 bytes a second.
    expect(cold.timing?.loadMs).toBeCloseTo(1_000);
    expect(cold.segments[1]?.loadedFrom).toBe(chunk.Tier.DISK);
    expect(await tiers()).toMatchObject({ 'a/0': near, 'b/0': 'DISK', 'c/0': near });
    expect((await run(prompt)).timing?.loadMs).toBeLessThan(1);

    expect(await client.chunks.copy('op-2', chunk.Tier.MEMORY, ['b/0', 'gone'])).toEqual(['b/0']);
    expect(await tiers()).toMatchObject({ 'a/0': near, 'b/0': near, 'c/0': 'DISK' });
    const behind = await run([{ ids: HEAD }, { ids: B, work: stored('reuse', 'b/0', B) }, { ids: TAIL }]);
    expect(behind.segments[1]?.loadedFrom).toBe(chunk.Tier.MEMORY);
  });

  it('says that events are gone when they are asked for by another epoch', async () => {
    await storeAll();
    const abort = new AbortController();
    for await (const { payload } of client.chunks.watchEvents({ epoch: 'old', since: 0n, signal: abort.signal })) {
      expect(payload).toMatchObject({ $case: 'gapUntil' });
      break;
    }
  });

  it('refuses a plan for another epoch or model, one that does not tile, and reuse where it keeps prefixes only', async () => {
    await expect(run([{ ids: A }, { ids: TAIL }], { fingerprint: 'other' })).rejects.toThrow('fingerprint: is "other"');
    const { fingerprint } = await client.chunks.capabilities();
    await run([{ ids: A }, { ids: TAIL }], { fingerprint });
    const holes = { ...planOf([{ ids: A }, { ids: TAIL }]), segments: [] as chunk.Segment[] };
    holes.segments = planOf([{ ids: A }]).segments;
    await expect(run([{ ids: A }, { ids: TAIL }], { plan: holes })).rejects.toThrow('plan.segments: is 100 tokens');
    await stop();
    await start({ nonPrefix: false });
    expect((await client.chunks.capabilities()).nonPrefix).toBe(false);
    await expect(run([{ ids: B, work: stored('reuse', 'b/0', B) }, { ids: TAIL }])).rejects.toMatchObject({
      reason: 'ENGINE_CAPABILITY_MISSING',
    });
  });

  it('is an engine like any other: facts, health, tokenizer, load, a turn without chunks', async () => {
    const info = await client.info();
    expect(info).toMatchObject({
      model: 'sim-test',
      kind: 'chunk-sim',
      description: { epoch: 'epoch-1', maxRunningRequests: 1 },
    });
    await client.checkHealth();
    expect((await client.tokenizerArchive()).length).toBeGreaterThan(100);
    expect((await client.load()).epoch).toBe('epoch-1');
    await expect(client.pin('p', '', { ttl: 0 as never, soft: false, value: 1 })).rejects.toMatchObject({
      reason: 'ENGINE_CAPABILITY_MISSING',
    });
    const abort = new AbortController();
    for await (const event of client.watch({ intervalMs: 10, signal: abort.signal })) {
      expect(event).toMatchObject({ type: 'load', epoch: 'epoch-1' });
      break;
    }
  });

  it('refuses sampling that its wire has no field for, instead of ignoring it', async () => {
    const events = client.generate({
      requestId: 'r',
      promptIds: Uint32Array.from(TAIL),
      sampling: { maxTokens: 4, topP: 0.5, stop: ['END'], temperature: 0.7 },
      hints: { programId: 'p', turn: 0, programArrivedAt: instant(0), rank: 0, bid: 0, isLast: false },
      signal: new AbortController().signal,
    });
    await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      reason: 'ENGINE_CAPABILITY_MISSING',
      fieldViolations: [{ field: 'sampling.top_p' }, { field: 'sampling.stop' }],
    });
  });

  it('cannot be reached once it has stopped', async () => {
    await engine.close();
    await expect(client.checkHealth()).rejects.toMatchObject({ reason: 'ENGINE_UNREACHABLE' });
  });
});
