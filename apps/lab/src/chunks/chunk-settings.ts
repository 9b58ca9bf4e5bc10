import type { EvictionName, ShareForm } from '@holdfast/chunk-cache';

/** What `chunks compare` does. */
export interface ChunkSettings {
  readonly files: readonly string[];
  readonly policies: readonly EvictionName[];
  readonly capacityShares: readonly number[];
  /** Most variants a chunk; Infinity leaves it to memory. */
  readonly variants: readonly number[];
  /** What a use in another context costs. */
  readonly form: ShareForm;
  readonly admitAbove: number;
  readonly measures: readonly ChunkMeasure[];
  readonly out: string | null;
}

/** `hits`: tokens found, one copy a chunk. `work`: tokens computed, variants that depend on their context. */
export const CHUNK_MEASURES = ['hits', 'work'] as const;

/** One of {@link CHUNK_MEASURES}. */
export type ChunkMeasure = (typeof CHUNK_MEASURES)[number];
