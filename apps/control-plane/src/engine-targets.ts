import { createChunkClient, createVllmClient } from '@holdfast/engines';
import { toMillisCeil } from '@holdfast/scheduling';
import type { Config, EngineAddress } from './config/config.js';
import type { EngineTarget } from './engines/engine-registry.js';

/** Opens a client of an engine. */
export type OpenEngine = (engine: EngineAddress) => EngineTarget;

const timeoutsOf = (config: Config): { readonly firstMessageMs: number; readonly streamIdleMs: number } => ({
  firstMessageMs: toMillisCeil(config.HOLDFAST_ENGINE_FIRST_MESSAGE_LIMIT),
  streamIdleMs: toMillisCeil(config.HOLDFAST_ENGINE_SILENCE_LIMIT),
});

/** Opens clients of the configured engines that reuse chunks. */
export const chunkEngineTargets = (config: Config): readonly EngineTarget[] =>
  config.HOLDFAST_CHUNK_ENGINES.map((address) => ({
    engineId: address,
    client: createChunkClient({ engineId: address, address, timeouts: timeoutsOf(config) }),
  }));

/** Opens clients as the configuration says. An engine's id is its address: stable over restarts of both sides. */
export const engineOpener =
  (config: Config): OpenEngine =>
  ({ address, kvControlAddress }) => ({
    engineId: address,
    client: createVllmClient({
      engineId: address,
      address,
      prefillCost: config.HOLDFAST_PREFILL_COST,
      timeouts: timeoutsOf(config),
      ...(kvControlAddress === undefined ? {} : { kvControlAddress }),
    }),
  });
