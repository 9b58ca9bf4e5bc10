import type { kv } from '@holdfast/contracts';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { EngineClient } from '../engine-client.js';
import { createVllmClient } from './create-vllm-client.js';
import { answer, kvInfo, startScriptedEngine } from './fixtures/scripted-engine.js';

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** A client of an engine that keeps what it is asked. */
const connect = async (
  info: Partial<kv.GetInfoResponse> = {},
): Promise<{ client: EngineClient; requests: kv.RerankRequest[] }> => {
  const requests: kv.RerankRequest[] = [];
  const engine = await startScriptedEngine({
    kvControl: {
      getInfo: answer(kvInfo(info)),
      rerank: ({ request }, reply) => {
        requests.push(request);
        reply(null, { reranked: true });
      },
    },
  });
  const prefillCost = { baseSeconds: 0.1, perTokenSeconds: 0, perTokenSquaredSeconds: 0 };
  const client = createVllmClient({ engineId: 'e', address: engine.address, prefillCost });
  closers.push(
    () => engine.stop(),
    () => client.close(),
  );
  await client.info();
  return { client, requests };
};

describe('a new rank', () => {
  it.each([-Number.MAX_SAFE_INTEGER, -1, 0, 2 ** 52 + 1])('of %d arrives exactly', async (rank) => {
    const { client, requests } = await connect();
    expect(await client.rerank('turn-1.1', 'e1', rank)).toBe(true);
    expect(requests).toEqual([{ requestId: 'turn-1.1', epoch: 'e1', rank: BigInt(rank) }]);
  });

  it.each([0.5, Number.NaN, 2 ** 53])('of %d is refused here', async (rank) => {
    const { client, requests } = await connect();
    const failure = { reason: 'FIELD_INVALID', message: expect.stringContaining(`rank is ${rank}; allowed`) };
    await expect(client.rerank('turn-1.1', 'e1', rank)).rejects.toMatchObject(failure);
    expect(requests).toEqual([]);
  });

  it('is not sent to an engine with pins that takes none, such as one of an earlier version', async () => {
    const { client, requests } = await connect({ reranks: false });
    const missing = { reason: 'ENGINE_CAPABILITY_MISSING', retryable: false };
    await expect(client.rerank('turn-1.1', 'e1', 1)).rejects.toMatchObject(missing);
    expect(requests).toEqual([]);
  });
});
