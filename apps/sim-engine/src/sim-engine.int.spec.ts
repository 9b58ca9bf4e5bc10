import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  makeClientConstructor,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { vllm } from '@holdfast/contracts';
import { service as healthService } from 'grpc-health-check';
import { failureOf, TestEngine, until } from '../test/engine-harness.js';

const HealthClient = makeClientConstructor(healthService as ServiceDefinition, 'Health');

const reflectionProto = new URL(
  '../proto/grpc/reflection/v1/reflection.proto',
  `file://${createRequire(import.meta.url).resolve('@grpc/reflection')}`,
);
const ReflectionClient = makeClientConstructor(
  loadSync(fileURLToPath(reflectionProto))['grpc.reflection.v1.ServerReflection'] as ServiceDefinition,
  'ServerReflection',
);

interface ReflectionAnswer {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Uint8Array[] };
}

/** One unary call of a client that is only known at run time. */
const call = (client: Client, method: string, request: object): Promise<unknown> =>
  new Promise((resolve, reject) => {
    (
      client as unknown as Record<string, (request: object, callback: (error: unknown, value: unknown) => void) => void>
    )[method]!.call(client, request, (error, value) => (error === null ? resolve(value) : reject(error as Error)));
  });

const ids = (length: number, first = 0): number[] => Array.from({ length }, (_, index) => (first + index) % 100_000);

describe('a simulated engine', () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await TestEngine.start();
  });
  afterAll(() => engine.stop());

  it('says that it serves, by both health services', async () => {
    expect(await engine.healthCheck({})).toEqual({ healthy: true, message: 'serving' });
    const client = new HealthClient(engine.engine.address, credentials.createInsecure());
    for (const service of ['', 'vllm.grpc.engine.VllmEngine', 'holdfast.kv.v1.KvControl']) {
      expect(await call(client, 'check', { service })).toEqual({ status: 'SERVING' });
    }
    expect((await failureOf(call(client, 'check', { service: 'nobody' }))).code).toBe(status.NOT_FOUND);
    client.close();
  });

  it('describes its services by reflection', async () => {
    const client = new ReflectionClient(engine.engine.address, credentials.createInsecure());
    const stream = (client as unknown as Record<string, () => ClientDuplexStream<object, ReflectionAnswer>>)[
      'serverReflectionInfo'
    ]!.call(client);
    const ask = async (request: object): Promise<ReflectionAnswer> => {
      const answer = once(stream, 'data') as Promise<[ReflectionAnswer]>;
      stream.write(request);
      return (await answer)[0];
    };
    const services = await ask({ listServices: '' });
    expect(services.listServicesResponse?.service.map(({ name }) => name).sort()).toEqual([
      'holdfast.engine.v1.RequestStreamService',
      'holdfast.kv.v1.KvControl',
      'vllm.grpc.engine.VllmEngine',
    ]);
    const files = await ask({ fileContainingSymbol: 'holdfast.kv.v1.KvControl.Pin' });
    expect(files.fileDescriptorResponse?.fileDescriptorProto.length).toBeGreaterThan(0);
    stream.end();
    client.close();
  });

  it('survives bytes that are no HTTP/2', async () => {
    const [host, port] = engine.engine.address.split(':');
    for (const garbage of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(70_000, 0xff),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff', 'latin1'),
    ]) {
      const socket = connect(Number(port), host);
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.resume();
      socket.end(garbage);
      await once(socket, 'close');
    }
    expect((await engine.ask({})).complete?.finishReason).toBe('length');
  });

  it('survives bytes that are no message', async () => {
    const client = new Client(engine.engine.address, credentials.createInsecure());
    const error = await failureOf(
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          '/vllm.grpc.engine.VllmEngine/Abort',
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => bytes,
          Buffer.from([0x0a, 0xff, 0xff, 0xff]),
          (failure, value) => (failure === null ? resolve(value) : reject(failure)),
        );
      }),
    );
    client.close();
    expect(error.code).toBe(status.INTERNAL);
    expect((await engine.healthCheck({})).healthy).toBe(true);
  });

  it('tells about its model and itself', async () => {
    expect(await engine.modelInfo({})).toMatchObject({
      servedModelName: 'sim-test',
      maxContextLength: 4_096,
      vocabSize: 128_256,
      isGeneration: true,
      eosTokenIds: [258],
    });
    expect(await engine.serverInfo({})).toMatchObject({ serverType: 'holdfast-sim', blockSize: 16, maxNumSeqs: 64 });
  });

  it('sends its tokenizer with a fingerprint that agrees', async () => {
    const chunks: vllm.GetTokenizerChunk[] = [];
    const stream = engine.vllm.getTokenizer({});
    stream.on('data', (chunk: vllm.GetTokenizerChunk) => chunks.push(chunk));
    await once(stream, 'end');
    const bytes = Buffer.concat(chunks.map(({ data }) => data));
    expect(chunks.at(-1)?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(chunks.slice(0, -1).every(({ sha256 }) => sha256 === '')).toBe(true);
    expect(bytes.subarray(0, 2).toString('latin1')).toBe('PK');
  });

  it('forgets its cache when told to, but not while a request uses it', async () => {
    const manual = await TestEngine.startManual();
    await manual.ask({ promptIds: ids(100), hints: { program: 'a', pin: { ttlMs: 1_000_000 } } });
    const running = manual.ask({ promptIds: ids(10) });
    await until(async () => (await manual.serverInfo({})).activeRequests !== 0);
    expect(await manual.flushCache({ timeoutS: 0 })).toMatchObject({
      success: false,
      message: /1 requests use the cache/,
    });
    await running;
    expect(await manual.flushCache({ timeoutS: 0 })).toMatchObject({ success: true });
    expect((await manual.listPins({})).pins).toEqual([]);
    expect((await manual.stats({})).stats).toMatchObject({ freeBlocks: 256, promptTokens: 110n, outputTokens: 16n });
    expect((await manual.ask({ promptIds: ids(100) })).complete?.cachedTokens).toBe(0);
    await manual.stop();
  });

  it('reports its load', async () => {
    const manual = await TestEngine.startManual({ maxRunningRequests: 1 });
    const first = manual.ask({ promptIds: ids(160), sampling: { maxTokens: 100 } });
    await until(async () => (await manual.serverInfo({})).activeRequests >= 1);
    const second = manual.ask({ promptIds: ids(320, 5_000) });
    await until(async () => (await manual.serverInfo({})).activeRequests >= 2);
    const { loads, dpRankCount } = await manual.loads({ include: [] });
    expect(dpRankCount).toBe(1);
    expect(loads).toEqual([
      {
        dpRank: 0,
        numRunningReqs: 1,
        numWaitingReqs: 1,
        numTotalReqs: 2,
        numUsedTokens: expect.any(Number),
        maxTotalNumTokens: 4_096,
        tokenUsage: expect.any(Number),
        genThroughput: expect.any(Number),
        cacheHitRate: 0,
        utilization: 1,
        maxRunningRequests: 1,
        numWaitingUncachedTokens: 320,
      },
    ]);
    expect(loads[0]!.numUsedTokens).toBeGreaterThanOrEqual(160);
    expect(loads[0]!.tokenUsage).toBeCloseTo(loads[0]!.numUsedTokens / 4_096);
    await Promise.all([first, second]);
    expect((await manual.loads({ include: [] })).loads[0]!.genThroughput).toBeGreaterThan(0);
    await manual.stop();
  });
});
