import { fingerprintOf } from '@holdfast/chunk-cache';
import { chunk } from '@holdfast/contracts';
import type { EngineSettings } from '../engine-settings.js';
import { encodeText, eosTokenId } from '../tokenizer/byte-level-tokenizer.js';
import type { ChunkSettings } from './chunk-settings.js';
import type { VariantShelf } from './variant-shelf.js';

/** Pure. Digest of all that stored KV depends on: another model, vocabulary or seed makes other KV. */
export const simFingerprint = ({ model, seed, vocabularySize }: EngineSettings, tokenizerDigest: string): string =>
  fingerprintOf({
    model,
    revision: `seed ${seed}, vocabulary ${vocabularySize}`,
    tokenizerDigest,
    dtype: 'bfloat16',
    rope: { type: 'modelled', theta: 0, scaling: {} },
  });

/** Says nothing of any request. Each half of it is a text of its own. */
const NEUTRAL_TEXT =
  'The harbour lies in a bay that opens west.\n\nThe heron waits in the reeds until a fish comes.\n\n';

/** Pure. What the engine says of itself. */
export const capabilities = (
  settings: EngineSettings,
  chunks: ChunkSettings,
  facts: { readonly version: string; readonly tokenizerDigest: string; readonly shelf: VariantShelf },
): chunk.GetCapabilitiesResponse => ({
  interfaceVersion: 1,
  engineId: settings.model,
  epoch: settings.epoch,
  engineKind: 'sim',
  engineVersion: facts.version,
  fingerprint: simFingerprint(settings, facts.tokenizerDigest),
  modelId: settings.model,
  tokenizerDigest: facts.tokenizerDigest,
  layers: 32,
  kvBytesPerToken: chunks.kvBytesPerToken,
  dtype: 'bfloat16',
  maxContextTokens: settings.maxContextTokens,
  vocabularySize: settings.vocabularySize,
  selectors: chunks.nonPrefix
    ? [chunk.Selector.PLAN, chunk.Selector.FIRST, chunk.Selector.INTER, chunk.Selector.QUERY, chunk.Selector.VALUE]
    : [],
  nonPrefix: chunks.nonPrefix,
  variants: chunks.nonPrefix,
  layerStop: false,
  stats: [chunk.StatKind.INTER, chunk.StatKind.INTRA, chunk.StatKind.TOKEN_INTER],
  tiers: tierStates(chunks, facts.shelf),
  prefillMsPerToken: settings.stepTime.perPrefillTokenMicros / 1e3,
  prefillMsPerTokenAndContextToken: settings.stepTime.perPrefillPairMicros / 1e3,
  neutralPrefixTokenIds: chunks.nonPrefix ? Array.from(encodeText(NEUTRAL_TEXT)) : [],
  stopTokenIds: [eosTokenId],
});

/** The tiers as they are now. */
export const tierStates = (chunks: ChunkSettings, shelf: VariantShelf): chunk.TierState[] => [
  {
    tier: chunk.Tier.MEMORY,
    bytesTotal: BigInt(chunks.memoryBytes),
    bytesUsed: shelf.memoryBytes,
    loadBytesPerSecond: chunks.loadBytesPerSecond,
  },
  ...(chunks.diskBytes === 0
    ? []
    : [
        {
          tier: chunk.Tier.DISK,
          bytesTotal: BigInt(chunks.diskBytes),
          bytesUsed: shelf.bytes,
          loadBytesPerSecond: chunks.diskBytesPerSecond,
        },
      ]),
];
