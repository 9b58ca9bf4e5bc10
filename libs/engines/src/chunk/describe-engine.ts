import { chunk } from '@holdfast/contracts';
import type { TokenSelector } from '@holdfast/chunk-cache';
import type { EngineInfo } from '../engine-client.js';
import { EngineError } from '../engine-error.js';
import type { SamplingFeature } from '../sampling-features.js';
import type { ChunkCapabilities } from './chunk-operations.js';
import type { ChunkLink } from './chunk-link.js';

/** The kernel counts in blocks; an engine without a paged pool has one context of them. */
const BLOCK_TOKENS = 16;

const SELECTORS: ReadonlyMap<chunk.Selector, TokenSelector> = new Map([
  [chunk.Selector.PLAN, 'plan'],
  [chunk.Selector.FIRST, 'first'],
  [chunk.Selector.INTER, 'inter'],
  [chunk.Selector.KV_DEVIATION, 'kvDeviation'],
  [chunk.Selector.QUERY, 'query'],
  [chunk.Selector.VALUE, 'value'],
  [chunk.Selector.RANDOM, 'random'],
]);

/** `holdfast.chunk.v1.Sampling` has lengths, temperature and seed alone. */
export const CHUNK_SAMPLING_FEATURES: readonly SamplingFeature[] = [];

/** Reads what the engine says of itself. Throws ENGINE_PROTOCOL_VIOLATED for one without an epoch or a fingerprint. */
export const readCapabilities = async (link: ChunkLink): Promise<chunk.GetCapabilitiesResponse> => {
  const answer = await link.unary('GetCapabilities', link.client, link.client.getCapabilities, {});
  if (answer.interfaceVersion >= 1 && answer.epoch !== '' && answer.fingerprint !== '') return answer;
  const got = `interface_version ${answer.interfaceVersion}, epoch "${answer.epoch}", fingerprint "${answer.fingerprint}"`;
  const message = `GetCapabilities: ${got}; needed are a version of at least 1, an epoch and a fingerprint`;
  throw new EngineError({ reason: 'ENGINE_PROTOCOL_VIOLATED', engineId: link.engineId, message });
};

/** Pure. */
export const capabilitiesFromProto = (answer: chunk.GetCapabilitiesResponse): ChunkCapabilities => ({
  epoch: answer.epoch,
  fingerprint: answer.fingerprint,
  kvBytesPerToken: answer.kvBytesPerToken,
  capacityBytes: Math.max(0, ...answer.tiers.map(({ bytesTotal }) => Number(bytesTotal))),
  fastTier: answer.tiers.some(({ tier }) => tier === chunk.Tier.DEVICE) ? chunk.Tier.DEVICE : chunk.Tier.MEMORY,
  neutralPrefixIds: answer.neutralPrefixTokenIds,
  nonPrefix: answer.nonPrefix,
  layerStop: answer.layerStop,
  selectors: answer.selectors.flatMap((selector) => SELECTORS.get(selector) ?? []),
});

/** Pure. The engine as the kernel sees it: one request at a time, no pins, no order of its own. */
export const infoFromProto = (engineId: string, answer: chunk.GetCapabilitiesResponse): EngineInfo => ({
  description: {
    engineId,
    epoch: answer.epoch,
    capabilities: { pins: false, softPins: false, ordersByRank: false, reranks: false },
    totalBlocks: Math.ceil(answer.maxContextTokens / BLOCK_TOKENS),
    blockTokens: BLOCK_TOKENS,
    maxRunningRequests: 1,
    prefillCost: {
      baseSeconds: 0,
      perTokenSeconds: answer.prefillMsPerToken / 1e3,
      perTokenSquaredSeconds: answer.prefillMsPerTokenAndContextToken / 2e3,
    },
  },
  model: answer.modelId,
  vocabularySize: answer.vocabularySize,
  maxContextTokens: answer.maxContextTokens,
  eosTokenIds: answer.stopTokenIds,
  samplingFeatures: CHUNK_SAMPLING_FEATURES,
  kind: `chunk-${answer.engineKind}`,
  version: answer.engineVersion,
});
