import { after, millis } from '@holdfast/scheduling';
import type { EngineClient, EngineInfo, WatchEvent } from '../engine-client.js';
import { FakeCore, type FakeFault } from './fake-core.js';
import type { FakeEngineOptions } from './fake-engine-options.js';
import { fakeGenerate } from './fake-generate.js';
import { FAKE_EOS_ID, FAKE_VOCABULARY_SIZE, fakeTokenizerArchive } from './fake-tokenizer.js';
import { FakeWatcher } from './fake-watchers.js';

/** A fake engine: the client, and the strings that a test pulls. */
export interface FakeEngine {
  readonly client: EngineClient;
  /** From now on this goes wrong. `unreachable` also cuts what runs. */
  inject(fault: FakeFault): void;
  /** Nothing goes wrong any more. */
  heal(): void;
  /** As a crash and a quick start: a new epoch, pins and cache gone, requests and watches fail. */
  restart(): void;
}

/**
 * An engine inside this process, without a network: tokens by formula, a prefix cache, pins with a lifetime on the given
 * clock, faults on demand. It passes the same conformance suite as the clients of real engines.
 */
export const createFakeEngine = (options: FakeEngineOptions): FakeEngine => {
  const core = new FakeCore(options);
  return {
    client: {
      ...queries(core),
      ...pinOperations(core),
      rerank: rerank(core),
      generate: (call) => fakeGenerate(core, call),
    },
    inject: (fault) => {
      core.fault = fault;
      if (fault.type === 'unreachable') core.loseAll('ENGINE_UNREACHABLE', 'connection refused');
    },
    heal: () => void (core.fault = undefined),
    restart: () => core.restart(),
  };
};

const pinOperations = (core: FakeCore): Pick<EngineClient, 'pin' | 'renew' | 'release' | 'listPins'> => ({
  pin: async (programId, epoch, terms) => {
    core.requirePins();
    core.requireEpoch(epoch);
    return core.setPin(programId, terms);
  },
  renew: async (programId, epoch, terms) => {
    core.requirePins();
    core.requireEpoch(epoch);
    const pin = core.pins.renew(programId, terms);
    if (pin === undefined) throw core.error('PIN_NOT_FOUND', `program ${programId} has no pin`);
    return pin;
  },
  release: async (programId, epoch) => {
    core.requirePins();
    core.requireEpoch(epoch);
    return core.pins.end(programId, 'released');
  },
  listPins: async () => {
    core.requirePins();
    return { epoch: core.epoch, pins: core.pins.list() };
  },
});

const rerank =
  (core: FakeCore): EngineClient['rerank'] =>
  async (requestId, epoch, rank) => {
    core.requireReachable();
    if (!core.options.capabilities.reranks) {
      throw core.error('ENGINE_CAPABILITY_MISSING', 'the engine takes no new rank for a request that it has');
    }
    if (!Number.isSafeInteger(rank)) throw core.error('FIELD_INVALID', `rank is ${rank}; allowed: a safe integer`);
    core.requireEpoch(epoch);
    return core.rerank(requestId, rank);
  };

type Queries = Pick<EngineClient, 'info' | 'load' | 'watch' | 'tokenizerArchive' | 'checkHealth' | 'close'>;

const queries = (core: FakeCore): Queries => ({
  info: async () => {
    core.requireReachable();
    return describe(core);
  },
  load: async () => {
    core.requireReachable();
    return { epoch: core.epoch, load: core.load() };
  },
  watch: (options) => watch(core, options),
  tokenizerArchive: async () => {
    core.requireReachable();
    return fakeTokenizerArchive();
  },
  checkHealth: async () => core.requireReachable(),
  // The engine has this client alone, so it goes with it; no timer outlives it.
  close: () => {
    core.loseAll('ENGINE_UNREACHABLE', 'the client was closed');
    core.pins.clear();
  },
});

const describe = ({ options, epoch }: FakeCore): EngineInfo => ({
  description: {
    engineId: options.engineId,
    epoch,
    capabilities: options.capabilities,
    totalBlocks: options.totalBlocks,
    blockTokens: options.blockTokens,
    maxRunningRequests: options.maxRunningRequests,
    prefillCost: options.prefillCost,
  },
  model: options.model,
  vocabularySize: FAKE_VOCABULARY_SIZE,
  maxContextTokens: options.maxContextTokens,
  eosTokenIds: [FAKE_EOS_ID],
  samplingFeatures: options.samplingFeatures,
  kind: options.capabilities.pins ? 'fake' : 'vllm-stock',
  version: '1',
});

async function* watch(
  core: FakeCore,
  { intervalMs, signal }: Parameters<EngineClient['watch']>[0],
): AsyncGenerator<WatchEvent, void> {
  core.requireReachable();
  if (signal.aborted) return;
  const { clock, capabilities } = core.options;
  const watcher = new FakeWatcher();
  const tick = (): void => watcher.push({ type: 'load', epoch: core.epoch, load: core.load() });
  let cancelTimer = (): void => undefined;
  const tickOn = (): void => {
    tick();
    cancelTimer = clock.schedule(after(clock.now(), millis(Math.max(intervalMs, 1))), tickOn);
  };
  const onAbort = (): void => watcher.close();
  signal.addEventListener('abort', onAbort, { once: true });
  tickOn();
  core.watchers.add(watcher);
  try {
    for await (const event of watcher.events()) {
      if (event.type === 'load' || capabilities.pins) yield event;
      if (signal.aborted) return;
    }
  } finally {
    cancelTimer();
    core.watchers.delete(watcher);
    signal.removeEventListener('abort', onAbort);
  }
}
