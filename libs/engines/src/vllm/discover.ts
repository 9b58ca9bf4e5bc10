import { randomUUID } from 'node:crypto';
import { kv, vllm } from '@holdfast/contracts';
import type { EngineCapabilities, EngineDescription } from '@holdfast/scheduling';
import type { EngineInfo } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import { FEATURES_WITHOUT_GRAMMARS, SAMPLING_FEATURES, type SamplingFeature } from '../sampling-features.js';
import type { EngineLink } from './engine-link.js';
import { totalBlocksOf } from './load-from-proto.js';

/** What vLLM uses where its servicer does not say: `--block-size` and `--max-num-seqs`. */
const STOCK_BLOCK_TOKENS = 16;
const STOCK_MAX_RUNNING = 256;
/** A connection attempt takes its time beside the wait before it. */
const RECONNECT_SLACK_MS = 1_000;

const stockCapabilities: EngineCapabilities = { pins: false, softPins: false, ordersByRank: false, reranks: false };

/** Tells the epochs of this process from those of an earlier one. */
const processMark = randomUUID().slice(0, 8);

/** See `EngineClient.info`. Modifies the link: remembers the description. */
export const discover = async (link: EngineLink): Promise<EngineInfo> => {
  const { engine, unary } = link;
  const [model, server, control] = await Promise.all([
    unary('GetModelInfo', engine, engine.getModelInfo, {}),
    unary('GetServerInfo', engine, engine.getServerInfo, {}),
    findKvControl(link),
  ]);
  // A stock engine has none, and need not be asked.
  if (control !== undefined) await link.requestStreams.open(control.epoch);
  const facts = control === undefined ? await describeStock(link, server) : describeControlled(link, control, server);
  link.description = facts.description;
  link.samplingFeatures = samplingFeaturesOf(server);
  return {
    ...facts,
    samplingFeatures: link.samplingFeatures,
    model: model.servedModelName === '' ? model.modelPath : model.servedModelName,
    vocabularySize: model.vocabSize,
    maxContextTokens: model.maxContextLength,
    eosTokenIds: model.eosTokenIds,
  };
};

/** Undefined when the engine has no KvControl: nobody serves it, or nobody listens on its own address. */
const findKvControl = async (link: EngineLink): Promise<kv.GetInfoResponse | undefined> => {
  if (link.description?.capabilities.pins === true) await reconnected(link);
  try {
    return await link.unary('GetInfo', link.kvControl, link.kvControl.getInfo, {});
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const isAbsent =
      error.reason === 'ENGINE_CAPABILITY_MISSING' || (link.hasOwnKvAddress && error.reason === 'ENGINE_UNREACHABLE');
    if (isAbsent) return undefined;
    throw error;
  }
};

/**
 * Resolves when KvControl is connected, or has had the time for it. After a restart of the engine its channel may still
 * be between two attempts, which would look like an engine that came back without it.
 */
const reconnected = ({ kvControl, timeouts }: EngineLink): Promise<void> =>
  new Promise((resolve) => {
    kvControl.waitForReady(Date.now() + timeouts.maxReconnectMs + RECONNECT_SLACK_MS, () => resolve());
  });

type Facts = Pick<EngineInfo, 'description' | 'kind' | 'version'>;

const describeControlled = (
  link: EngineLink,
  control: kv.GetInfoResponse,
  server: vllm.GetServerInfoResponse,
): Facts => {
  if (control.interfaceVersion < 1 || control.epoch === '' || control.blockSize === 0) {
    const got = `interface_version ${control.interfaceVersion}, epoch "${control.epoch}", block_size ${control.blockSize}`;
    const message = `GetInfo: ${got}; needed are a version of at least 1, an epoch and a block size`;
    throw new EngineError({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId: link.engineId, message });
  }
  const description: EngineDescription = {
    engineId: link.engineId,
    epoch: control.epoch,
    capabilities: {
      pins: true,
      softPins: control.softPins,
      ordersByRank: control.ordersByRank,
      reranks: control.reranks,
    },
    totalBlocks: control.totalBlocks,
    ...hostMemory(control),
    blockTokens: control.blockSize,
    maxRunningRequests: firstPositive(control.maxRunningRequests, server.maxNumSeqs, STOCK_MAX_RUNNING),
    prefillCost: link.prefillCost,
  };
  return { description, kind: control.engineKind, version: control.engineVersion };
};

/** What the engine says of the memory behind its pool; nothing where it says 0. */
const hostMemory = ({
  hostBlocks,
  reloadSecondsPerToken,
}: kv.GetInfoResponse): Pick<EngineDescription, 'hostBlocks' | 'reloadSecondsPerToken'> => {
  if (hostBlocks === 0) return {};
  return reloadSecondsPerToken > 0 ? { hostBlocks, reloadSecondsPerToken } : { hostBlocks };
};

const describeStock = async (link: EngineLink, server: vllm.GetServerInfoResponse): Promise<Facts> => {
  const loads = await link.unary('GetLoads', link.engine, link.engine.getLoads, { include: [] });
  const blockTokens = firstPositive(server.blockSize, STOCK_BLOCK_TOKENS);
  const maxRunning = loads.loads.reduce((most, load) => Math.max(most, load.maxRunningRequests), 0);
  const description: EngineDescription = {
    engineId: link.engineId,
    epoch: stockEpoch(link, server),
    capabilities: stockCapabilities,
    totalBlocks: totalBlocksOf(loads.loads, blockTokens),
    blockTokens,
    maxRunningRequests: firstPositive(server.maxNumSeqs, maxRunning, STOCK_MAX_RUNNING),
    prefillCost: link.prefillCost,
  };
  return { description, kind: 'vllm-stock', version: loads.version };
};

/**
 * A stock engine names no epoch. Each loss of the connection may have been a restart, so each starts a new one: KV that
 * is believed lost costs a prefill, KV that is believed held costs a wrong placement.
 */
const stockEpoch = (link: EngineLink, server: vllm.GetServerInfoResponse): string =>
  ['stock', processMark, link.losses, server.kvEngineId].filter((part) => part !== '').join('-');

/**
 * Pure. The wire has no field for it, so the kind of server decides: vLLM has all of it, with the plug-in or without; a
 * simulated engine has no model that a grammar could hold to a form. Whoever else speaks this wire refuses by itself.
 */
const samplingFeaturesOf = ({ serverType }: vllm.GetServerInfoResponse): readonly SamplingFeature[] =>
  serverType === 'holdfast-sim' ? FEATURES_WITHOUT_GRAMMARS : SAMPLING_FEATURES;

const firstPositive = (...values: readonly number[]): number => values.find((value) => value > 0) ?? 0;
