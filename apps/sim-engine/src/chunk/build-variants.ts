import { tokenDigest } from '@holdfast/chunk-cache';
import { chunk } from '@holdfast/contracts';
import { invalidFields } from '@holdfast/platform';
import { modelledStats } from './modelled-stats.js';
import type { ShelfVariant, VariantShelf } from './variant-shelf.js';

/** Modifies the shelf: stores one variant, computed behind a prefix or as the mean over several. */
export const buildVariant = (
  { variant, prefix, tokenIds, moreContexts }: chunk.BuildItem,
  { shelf, kvBytesPerToken }: { readonly shelf: VariantShelf; readonly kvBytesPerToken: number },
): ShelfVariant => {
  if (variant === undefined || variant.variantId === '' || tokenIds.length === 0) {
    throw invalidFields([
      { field: 'items.variant', description: 'lacks a name or tokens; allowed: a variant with both' },
    ]);
  }
  const before = prefix.flatMap((part) => part.tokenIds);
  const isMean = moreContexts.length > 0;
  return shelf.put({
    spec: { ...variant, prefixChunkIds: prefix.map(({ chunkId }) => chunkId).filter((id) => id !== '') },
    tokenDigest: Buffer.from(tokenDigest(tokenIds), 'hex'),
    tokenCount: tokenIds.length,
    builtAt: before.length,
    bytes: BigInt(tokenIds.length * kvBytesPerToken),
    canonical: !isMean,
    pinned: false,
    stats: modelledStats(
      tokenIds,
      prefix.map(({ chunkId }) => chunkId).filter((id) => id !== ''),
    ),
    prefixDigest: isMean ? null : tokenDigest(before),
    isMean,
  });
};
