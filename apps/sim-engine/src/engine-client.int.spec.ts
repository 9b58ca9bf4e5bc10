import { setTimeout as sleep } from 'node:timers/promises';
import { createChunkClient, createVllmClient, type EngineClient } from '@holdfast/engines';
import { systemClock } from '@holdfast/platform';
import { type EngineClientHarness, engineClientConformance } from '@holdfast/testing';
import { testSettings } from '../test/engine-harness.js';
import { type SimEngine, startSimEngine } from './sim-engine.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Model seconds per real second: short answers come quickly, 2,000 tokens still take seconds. */
const TIME_SCALE = 4;

let starts = 0;

const start = (port: number): Promise<SimEngine> =>
  startSimEngine({
    settings: testSettings({
      epoch: `epoch-${++starts}`,
      // Few run at once, and however long they run they have room.
      maxRunningRequests: 8,
      totalBlocks: 8_192,
      maxContextTokens: 16_384,
      chunks: {
        memoryBytes: 1e9,
        kvBytesPerToken: 1_000,
        diskBytes: 0,
        loadBytesPerSecond: 1e9,
        diskBytesPerSecond: 1e8,
        nonPrefix: true,
        damageNats: () => 0.1,
      },
    }),
    host: '127.0.0.1',
    port,
    version: '0.0.0-test',
    clock: systemClock({ scale: TIME_SCALE }),
    logger: silent,
  });

type OpenClient = (address: string) => EngineClient;

const vllmClient =
  (kvControlAddress?: string): OpenClient =>
  (address) =>
    createVllmClient({
      engineId: 'sim',
      address,
      prefillCost: { baseSeconds: 0.01, perTokenSeconds: 0.0001, perTokenSquaredSeconds: 0 },
      ...(kvControlAddress === undefined ? {} : { kvControlAddress }),
    });

const makeHarness = async (open: OpenClient): Promise<EngineClientHarness> => {
  let engine = await start(0);
  const { address } = engine;
  const client = open(address);
  await client.info();
  return {
    client,
    passTime: (milliseconds) => sleep(milliseconds / TIME_SCALE),
    stop: () => engine.close(),
    start: async () => {
      engine = await start(Number(address.split(':')[1]));
    },
    dispose: async () => {
      client.close();
      await engine.close();
    },
  };
};

engineClientConformance(
  'vLLM client of a simulated engine',
  { pins: true, softPins: true, reranks: true, restarts: true, tokenizer: true },
  () => makeHarness(vllmClient()),
);

// KvControl on an address where nobody listens: what is left of the same engine is a stock vLLM.
engineClientConformance(
  'vLLM client of an engine without KvControl',
  { pins: false, softPins: false, reranks: false, restarts: true, tokenizer: true },
  () => makeHarness(vllmClient('127.0.0.1:1')),
);

// It keeps the KV of chunks that it is told to keep, and no other.
engineClientConformance(
  'chunk client of a simulated engine',
  { pins: false, softPins: false, reranks: false, restarts: true, tokenizer: true, prefixCache: false },
  () => makeHarness((address) => createChunkClient({ engineId: 'sim', address })),
);
