import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineClient, GenerateEvent } from '@holdfast/engines';
import { type EmbeddedPostgres, startPostgres } from '@holdfast/platform';
import { instant } from '@holdfast/scheduling';
import { Holdfast } from '@holdfast/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type ControlPlane, startControlPlane } from './support/control-plane.js';
import { attachedClient, releaseAll } from './support/engine-harness.js';
import { type Gateway, chat, startGateway } from './support/gateway.js';
import { LaunchedProcess, REPOSITORY, textOf } from './support/launched-process.js';
import { settled } from './support/settled.js';
import { VllmProcess } from './support/vllm-process.js';

/** Longer than anything here takes on a busy machine; and short, where it is about expiry. */
const LONG_PIN = '10m';
const SHORT_PIN = '8s';
const BLOCK_TOKENS = 32;
const POOL = 255;

let postgres: EmbeddedPostgres;
let engine: VllmProcess;
let client: EngineClient;
let controlPlane: ControlPlane;
let holdfast: Holdfast;
let pools = 0;

const startService = async (pinTtl: string): Promise<void> => {
  controlPlane = await startControlPlane({
    engines: [engine.target],
    policy: `static-ttl:ttl=${pinTtl}`,
    databaseUrl: postgres.url,
    pool: `vllm-${++pools}`,
    dispatchWindow: 16,
    prefillCost: '0.04,0.0005,0',
  });
  holdfast = new Holdfast({ address: controlPlane.address });
};

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  engine = await VllmProcess.start();
  client = await attachedClient(engine);
  await startService(LONG_PIN);
});
afterEach(() => releaseAll(client));
afterAll(async () => {
  holdfast?.close();
  client?.close();
  await controlPlane?.process.stop();
  await engine?.stop();
  await postgres?.stop();
});

const ids = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => 1_000 + ((from * 7_919 + index * 104_729) % 39_000));

const direct = (promptIds: Uint32Array, maxTokens: number): AsyncIterable<GenerateEvent> =>
  client.generate({
    requestId: `direct-${promptIds[0]}-${maxTokens}`,
    promptIds,
    sampling: { maxTokens, temperature: 0, ignoreEos: true },
    hints: { programId: 'other', turn: 0, programArrivedAt: instant(1_000_000), rank: 0, bid: 0, isLast: false },
    signal: new AbortController().signal,
  });

describe('a conversation over SDK, control plane and vLLM', () => {
  it('is templated with the engine’s own tokenizer, and each turn extends the exact ids of the one before', async () => {
    const rules = 'You are a careful assistant that answers in one short sentence. '.repeat(20);
    await holdfast.run({ name: 'conversation', model: 'smollm2' }, async (program) => {
      const turn = program.turn({
        messages: [
          { role: 'system', content: rules },
          { role: 'user', content: 'What is the capital of France? Answer with “é” if you can.' },
        ],
        maxTokens: 40,
        temperature: 0,
      });
      let streamed = '';
      for await (const { text } of turn) streamed += text;
      const first = await turn;
      expect(first.text).toBe(streamed);
      expect(first.text).toContain('Paris');
      expect(first.pin?.pinnedTokens).toBeGreaterThan(0);
      await program.tool('lookup', {}, () => sleep(300));
      const { usage, isCompaction } = await program.turn({
        appendMessages: [{ role: 'user', content: 'And of Italy?' }],
        maxTokens: 20,
        temperature: 0,
        last: true,
      });
      // The KV of the last output token was not computed, and only whole blocks can be found again.
      const computed = first.usage.promptTokens + first.usage.outputTokens - 1;
      expect(isCompaction).toBe(false);
      expect(usage.promptTokens).toBeGreaterThan(computed + 1);
      expect(usage.cachedTokens).toBe(Math.floor(computed / BLOCK_TOKENS) * BLOCK_TOKENS);
    });
  });

  it('keeps the context of a program in a tool call, while others need more than the pool', async () => {
    const cached = await holdfast.run({ name: 'kept' }, async (program) => {
      await program.turn({ promptIds: ids(1, 1_500), maxTokens: 2, ignoreEos: true });
      await program.tool('slow', {}, async () => {
        for (let foreign = 2; foreign < 6; foreign += 1) {
          await holdfast.run({ name: `foreign-${foreign}` }, (other) =>
            other.turn({ promptIds: ids(foreign, 3_000), maxTokens: 2, ignoreEos: true, last: true }),
          );
        }
      });
      const { usage } = await program.turn({ appendIds: ids(7, 100), maxTokens: 2, ignoreEos: true, last: true });
      return usage.cachedTokens;
    });
    expect(cached).toBe(46 * BLOCK_TOKENS);
  });
});

describe('a control plane that is killed in mid-run', () => {
  it('leaves the engine serving others; its turns are aborted, its pins expire, and all blocks return', async () => {
    holdfast.close();
    await controlPlane.process.stop();
    await startService(SHORT_PIN);
    const pinned = await holdfast.start({ name: 'pinned' });
    await pinned.turn({ promptIds: ids(11, 640), maxTokens: 2, ignoreEos: true });
    const running = await holdfast.start({ name: 'running' });
    const cut = running.turn({ promptIds: ids(12, 640), maxTokens: 2_000, ignoreEos: true });
    const outcome = cut.then(
      () => 'finished',
      () => 'failed',
    );
    for await (const _ of cut) break;
    expect((await client.load()).load.runningRequests).toBe(1);
    controlPlane.process.signal('SIGKILL');
    await controlPlane.process.ended();
    holdfast.close();
    expect(await outcome).toBe('failed');
    let tokens = 0;
    for await (const event of direct(Uint32Array.from(ids(13, 200)), 8)) {
      if (event.type === 'tokens') tokens += event.tokenIds.length;
    }
    expect(tokens).toBe(8);
    await settled(async () => {
      const { load } = await client.load();
      return load.activeBlocks === 0 && load.pinnedBlocks === 0 && load.freeBlocks + load.evictableBlocks === POOL;
    });
    expect((await client.listPins()).pins).toEqual([]);
    await startService(LONG_PIN);
    const again = await holdfast.run({ name: 'after' }, (program) =>
      program.turn({ promptIds: ids(14, 100), maxTokens: 4, ignoreEos: true, last: true }),
    );
    expect(again.usage.outputTokens).toBe(4);
  });
});

describe('a gateway of others', () => {
  const ask = { max_tokens: 12, temperature: 0, messages: [{ role: 'user', content: 'Say hello.' }] };
  const answerOf = async (gateway: Gateway, model: string): Promise<void> => {
    try {
      const { choices, usage } = await chat(gateway, { model, ...ask });
      expect(choices).toHaveLength(1);
      expect(choices[0]?.message.content.length).toBeGreaterThan(0);
      expect(usage.completion_tokens).toBeGreaterThan(0);
      expect(usage.completion_tokens).toBeLessThanOrEqual(12);
      expect(usage.prompt_tokens).toBeGreaterThan(2);
    } finally {
      await gateway.stop();
    }
  };

  it('serves an OpenAI request through vLLM with the plug-in as a gRPC worker', async () => {
    await answerOf(await startGateway({ workerAddress: engine.address, model: 'smollm2' }), 'smollm2');
  });

  it('serves one through the simulated engine just the same', async () => {
    const simulated = new LaunchedProcess({
      name: 'sim-engine',
      command: process.execPath,
      args: [`${REPOSITORY}/apps/sim-engine/dist/main.js`, '--port', '0', '--model', 'sim', '--log-level', 'warn'],
      readyWithinMs: 60_000,
    });
    try {
      const workerAddress = textOf(await simulated.ready(), 'address');
      await answerOf(await startGateway({ workerAddress, model: 'sim' }), 'sim');
    } finally {
      await simulated.stop();
    }
  });
});
