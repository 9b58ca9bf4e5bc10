import { afterEach, describe, expect, it } from '@jest/globals';
import type { EngineClient } from '../engine-client.js';
import { createVllmClient } from './create-vllm-client.js';
import { type EngineScript, type GenerateStream, call, startScriptedEngine } from './fixtures/scripted-engine.js';

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

const connect = async (script: EngineScript): Promise<EngineClient> => {
  const engine = await startScriptedEngine(script);
  const prefillCost = { baseSeconds: 0.1, perTokenSeconds: 0, perTokenSquaredSeconds: 0 };
  const client = createVllmClient({ engineId: 'e', address: engine.address, prefillCost });
  closers.push(
    () => engine.stop(),
    () => client.close(),
  );
  return client;
};

describe('what sampling an engine understands', () => {
  it('is all for vLLM, all but grammars for a simulated engine', async () => {
    const real = await (await connect({ server: { serverType: 'vllm-grpc' } })).info();
    const simulated = await (await connect({ server: { serverType: 'holdfast-sim' } })).info();
    expect(real.samplingFeatures).toEqual(expect.arrayContaining(['logprobs', 'jsonSchema', 'choice']));
    expect(simulated.samplingFeatures).toContain('logprobs');
    expect(simulated.samplingFeatures).not.toContain('choice');
  });

  it('decides what is sent: nothing of what it does not', async () => {
    let calls = 0;
    const generate = (stream: GenerateStream): void => {
      calls += 1;
      stream.end();
    };
    const client = await connect({ server: { serverType: 'holdfast-sim' }, generate });
    await client.info();
    const asked = client.generate(call({ sampling: { maxTokens: 5, structuredOutput: { type: 'jsonObject' } } }));
    await expect(asked[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      reason: 'ENGINE_CAPABILITY_MISSING',
      message: expect.stringContaining('engine e: it cannot do json_object'),
    });
    expect(calls).toBe(0);
  });
});
