import { createVllmClient } from '@holdfast/engines';
import { toMillisCeil } from '@holdfast/scheduling';
import type { Config } from './config/config.js';
import type { EngineTarget } from './engines/engine-registry.js';

/** Opens a client for each configured engine. An engine's id is its address: stable over restarts of both sides. */
export const engineTargets = (config: Config): EngineTarget[] =>
  config.HOLDFAST_ENGINES.map(({ address, kvControlAddress }) => ({
    engineId: address,
    client: createVllmClient({
      engineId: address,
      address,
      prefillCost: config.HOLDFAST_PREFILL_COST,
      timeouts: {
        firstMessageMs: toMillisCeil(config.HOLDFAST_ENGINE_FIRST_MESSAGE_LIMIT),
        streamIdleMs: toMillisCeil(config.HOLDFAST_ENGINE_SILENCE_LIMIT),
      },
      ...(kvControlAddress === undefined ? {} : { kvControlAddress }),
    }),
  }));
