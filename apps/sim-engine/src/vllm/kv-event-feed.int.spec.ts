import { type ClientReadableStream, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { vllm } from '@holdfast/contracts';
import { seconds } from '@holdfast/scheduling';
import { detailsOf, TestEngine, until } from '../../test/engine-harness.js';

const ids = (length: number, first = 0): number[] => Array.from({ length }, (_, index) => (first + index) % 128_000);

interface Subscription {
  readonly call: ClientReadableStream<vllm.KvEventBatch>;
  readonly batches: vllm.KvEventBatch[];
  readonly errors: ServiceError[];
}

describe('SubscribeKvEvents', () => {
  let engine: TestEngine;
  beforeEach(async () => {
    engine = await TestEngine.startManual({ totalBlocks: 40, maxContextTokens: 640 });
  });
  afterEach(() => engine.stop());

  const subscribe = (target = engine, loadRecordsBeforeFirstBatch = true): Subscription => {
    const call = target.vllm.subscribeKvEvents({ startSequenceNumber: 0n, loadRecordsBeforeFirstBatch });
    const batches: vllm.KvEventBatch[] = [];
    const errors: ServiceError[] = [];
    call.on('data', (batch: vllm.KvEventBatch) => batches.push(batch));
    call.on('error', (error: ServiceError) => errors.push(error));
    return { call, batches, errors };
  };

  const dataOf = (batches: readonly vllm.KvEventBatch[]) =>
    batches.flatMap(({ events }) => events.map(({ data }) => data));

  const stored = (batches: readonly vllm.KvEventBatch[]): vllm.KvBlocksStored[] =>
    dataOf(batches).flatMap((data) => (data?.$case === 'stored' ? [data.value] : []));

  const removed = (batches: readonly vllm.KvEventBatch[]): bigint[] =>
    dataOf(batches).flatMap((data) => (data?.$case === 'removed' ? data.value.blockHashes : []));

  it('tells which blocks are stored, as a chain over their tokens', async () => {
    const { batches } = subscribe();
    await until(() => batches.length === 1);
    await engine.ask({ promptIds: ids(40) });
    await until(() => stored(batches).length > 0);
    const blocks = stored(batches).flatMap((event) => event.blocks);
    expect(blocks.flatMap((block) => block.tokenIds).slice(0, 32)).toEqual(ids(32));
    expect(blocks.every((block) => block.blockSize === 16 && block.tokenIds.length === 16)).toBe(true);
    expect(stored(batches)[0]?.parentBlockHash).toBeUndefined();
    await engine.ask({ promptIds: [...ids(32), ...ids(32, 900)] });
    await until(() => stored(batches).length > 1);
    expect(stored(batches).at(-1)?.parentBlockHash).toBe(blocks[1]?.blockHash);
  });

  it('tells which blocks are overwritten', async () => {
    const { batches } = subscribe();
    await until(() => batches.length === 1);
    await engine.ask({ promptIds: ids(320) });
    await engine.ask({ promptIds: ids(600, 5_000) });
    await until(() => removed(batches).length > 0);
    const known = new Set(stored(batches).flatMap(({ blocks }) => blocks.map(({ blockHash }) => blockHash)));
    expect(removed(batches).every((hash) => known.has(hash))).toBe(true);
  });

  it('tells when everything is forgotten', async () => {
    const { batches } = subscribe();
    await until(() => batches.length === 1);
    await engine.flushCache({ timeoutS: 0 });
    await until(() => dataOf(batches).some((data) => data?.$case === 'cleared'));
  });

  it('numbers batches without a gap, and repeats the last number on load alone', async () => {
    const { batches } = subscribe();
    await until(() => batches.length === 1);
    expect(batches[0]).toMatchObject({ sequenceNumber: 0n, load: { loadOnly: true, runningRequests: 0, sample: 1n } });
    for (let first = 0; first < 3; first += 1) await engine.ask({ promptIds: ids(64, first * 1_000) });
    await engine.pass(seconds(2));
    await until(() => batches.at(-1)?.load?.loadOnly === true && batches.length > 4);
    const numbers = batches.filter(({ load }) => load?.loadOnly === false).map(({ sequenceNumber }) => sequenceNumber);
    expect(numbers).toEqual(numbers.map((_, index) => BigInt(index + 1)));
    expect(batches.at(-1)?.sequenceNumber).toBe(numbers.at(-1));
    const samples = batches.map(({ load }) => load?.sample ?? 0n);
    expect(samples).toEqual([...samples].sort((a, b) => Number(a - b)));
  });

  it('sends no load alone before the first batch unless asked', async () => {
    const { batches } = subscribe(engine, false);
    await engine.healthCheck({});
    await engine.pass(seconds(5));
    await engine.ask({ promptIds: ids(64) });
    await until(() => batches.length > 0);
    expect(batches[0]).toMatchObject({ load: { loadOnly: false } });
  });

  it('ends a subscriber that does not read with RESOURCE_EXHAUSTED, and serves on', async () => {
    const large = await TestEngine.start({ totalBlocks: 8_000, maxContextTokens: 120_000 });
    const slow = subscribe(large);
    await until(() => slow.batches.length === 1);
    slow.call.pause();
    for (let turn = 0; turn < 30; turn += 1) {
      await large.ask({ promptIds: [turn, ...ids(100_000, turn * 1_000)], sampling: { maxTokens: 1 } });
    }
    slow.call.resume();
    await until(() => slow.errors.length === 1);
    expect(slow.errors[0]?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(detailsOf(slow.errors[0])?.reason).toBe('QUEUE_FULL');
    expect((await large.ask({})).complete?.completionTokens).toBe(8);
    await large.stop();
  });
});
