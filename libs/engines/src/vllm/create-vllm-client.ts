import type { EngineClient } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import { discover } from './discover.js';
import { type EngineLink, openEngineLink } from './engine-link.js';
import { generate } from './generate.js';
import { readLoad, watch } from './observe.js';
import type { VllmClientOptions } from './options.js';
import { pinOperations } from './pins.js';
import { rerank } from './rerank.js';
import { readTokenizerArchive } from './tokenizer-archive.js';

/**
 * A client for anything that speaks `vllm.grpc.engine.VllmEngine`: the simulated engine, vLLM with the Holdfast plug-in,
 * a stock vLLM. What the engine can do is found out by `info`; until then no hints are sent.
 */
export const createVllmClient = (options: VllmClientOptions): EngineClient => {
  const link = openEngineLink(options);
  return {
    info: () => discover(link),
    generate: (call) =>
      generate(call, {
        engineId: link.engineId,
        client: link.engine,
        timeouts: link.timeouts,
        sendsHints: link.description?.capabilities.pins ?? false,
        samplingFeatures: link.samplingFeatures,
        requestStreams: link.requestStreams,
      }),
    ...pinOperations(link),
    rerank: (requestId, epoch, rank) => rerank(link, { requestId, epoch, rank }),
    load: () => readLoad(link),
    watch: (watchOptions) => watch(link, watchOptions),
    tokenizerArchive: () => readTokenizerArchive(link),
    checkHealth: () => checkHealth(link),
    close: () => link.close(),
  };
};

const checkHealth = async (link: EngineLink): Promise<void> => {
  const { healthy, message } = await link.unary('HealthCheck', link.engine, link.engine.healthCheck, {});
  if (healthy) return;
  const said = `HealthCheck: not serving${message === '' ? '' : `: ${message}`}`;
  throw new EngineError({ reason: 'ENGINE_UNREACHABLE', engineId: link.engineId, message: said });
};
