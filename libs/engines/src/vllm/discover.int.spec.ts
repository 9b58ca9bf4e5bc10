import { kv } from '@holdfast/contracts';
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeAll, connect, start } from './fixtures/scripted-client.js';
import { answer, kvInfo } from './fixtures/scripted-engine.js';

afterEach(closeAll);

describe('discovery', () => {
  it('describes an engine with KvControl on the same address', async () => {
    const info = await connect(await start({ kvControl: {} })).info();
    expect(info).toMatchObject({
      kind: 'vllm',
      version: '0.32.0',
      model: 'toy',
      vocabularySize: 100,
      eosTokenIds: [2],
    });
    expect(info.description).toEqual({
      engineId: 'e',
      epoch: 'e1',
      capabilities: { pins: true, softPins: true, ordersByRank: true, reranks: true },
      totalBlocks: 256,
      blockTokens: 32,
      maxRunningRequests: 8,
      prefillCost: { baseSeconds: 0.1, perTokenSeconds: 0, perTokenSquaredSeconds: 0 },
    });
  });

  it('knows the host memory behind the pool of an engine that tells it', async () => {
    const described = async (fields: Partial<kv.GetInfoResponse>): Promise<object> =>
      (await connect(await start({ kvControl: { getInfo: answer(kvInfo(fields)) } })).info()).description;
    const reloadSecondsPerToken = 2.6e-6;
    expect(await described({ hostBlocks: 512, reloadSecondsPerToken })).toMatchObject({
      totalBlocks: 256,
      hostBlocks: 512,
      reloadSecondsPerToken,
    });
    expect(await described({ hostBlocks: 512 })).not.toHaveProperty('reloadSecondsPerToken');
    expect(await described({ reloadSecondsPerToken })).not.toHaveProperty('reloadSecondsPerToken');
  });

  it('finds KvControl on an address of its own', async () => {
    const [engine, control] = [await start({}), await start({ kvControl: {} })];
    const info = await connect(engine, { kvControlAddress: control.address }).info();
    expect(info.description.capabilities.pins).toBe(true);
  });

  it('describes a stock vLLM: no pins, the pool from its token count, an epoch that stays while it lives', async () => {
    const client = connect(await start({ loads: [{ maxTotalNumTokens: 8_192, maxRunningRequests: 8 }] }));
    const info = await client.info();
    expect(info).toMatchObject({ kind: 'vllm-stock', version: '0.32.0' });
    expect(info.description).toMatchObject({
      capabilities: { pins: false, softPins: false, ordersByRank: false, reranks: false },
      totalBlocks: 256,
      blockTokens: 32,
      maxRunningRequests: 8,
    });
    expect((await client.info()).description.epoch).toBe(info.description.epoch);
  });

  it('takes an engine as stock when nobody listens on the address of its KvControl', async () => {
    const [engine, gone] = [await start({}), await start({})];
    gone.stop();
    const client = connect(engine, { kvControlAddress: gone.address });
    const first = await client.info();
    expect(first.kind).toBe('vllm-stock');
    expect((await client.info()).description.epoch).toBe(first.description.epoch);
  });

  it('gives a stock engine a new epoch after it could not be reached', async () => {
    const engine = await start({});
    const client = connect(engine);
    const before = (await client.info()).description.epoch;
    engine.stop();
    await expect(client.checkHealth()).rejects.toMatchObject({ reason: 'ENGINE_UNREACHABLE' });
    await start({}, Number(engine.address.split(':')[1]));
    await until(() => client.checkHealth());
    expect((await client.info()).description.epoch).not.toBe(before);
  });

  it('refuses a GetInfo that says nothing', async () => {
    const engine = await start({ kvControl: { getInfo: answer(kvInfo({ epoch: '' })) } });
    await expect(connect(engine).info()).rejects.toMatchObject({ reason: 'ENGINE_PROTOCOL_VIOLATED' });
  });
});

const until = async (work: () => Promise<void>): Promise<void> => {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (
      await work().then(
        () => true,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the engine did not come back');
};
