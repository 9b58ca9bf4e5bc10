import { createVllmClient } from '@holdfast/engines';
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
      ...(kvControlAddress === undefined ? {} : { kvControlAddress }),
    }),
  }));
