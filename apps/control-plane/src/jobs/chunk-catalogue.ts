/**
 * Deferred work on stored chunks. It is done by the process that schedules the pool, since that one knows what its engines
 * store; so every pool has a queue of its own.
 */
import type { JobCatalogue } from '@holdfast/jobs';
import { millis, seconds } from '@holdfast/scheduling';
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** Pure. The queue of a pool. Names of pools are free text, names of queues are not. */
export const chunkQueueOf = (poolId: string): string =>
  `holdfast-chunks-${createHash('sha256').update(poolId).digest('hex').slice(0, 16)}`;

/** An engine builds at most 64 variants in one call. */
export const mostChunksOfABuild = 64;
const digestText = z.string().min(1).max(128);

/** Means over neutral contexts of some chunks. */
const buildPayload = z.object({
  engineId: z.string().min(1),
  /** The system prompt that stands before the neutral contexts; null for none. */
  headChunkId: digestText.nullable(),
  chunkIds: z.array(digestText).min(1).max(mostChunksOfABuild),
  /** Hour in which it was asked for, since the epoch: what has left meanwhile may be built again in another one. */
  hour: z.int().min(0),
});
export type ChunkBuildPayload = z.output<typeof buildPayload>;

/** Variants that a turn will need. */
const prefetchPayload = z.object({
  engineId: z.string().min(1),
  variantIds: z.array(z.string().min(1)).min(1).max(1_024),
  /** What it is for: asked for twice, it is done once. */
  purpose: z.string().min(1),
});
export type ChunkPrefetchPayload = z.output<typeof prefetchPayload>;

/** Payload of each kind. */
export interface ChunkPayloads {
  readonly 'chunk-build': ChunkBuildPayload;
  readonly 'chunk-prefetch': ChunkPrefetchPayload;
}

const digestOf = (payload: object): string =>
  createHash('sha256').update(JSON.stringify(payload)).digest('hex').slice(0, 32);

/** See the file header. */
export const chunkCatalogue: JobCatalogue<ChunkPayloads> = {
  'chunk-build': {
    summary: 'builds the mean KV of chunks over neutral contexts, for the planner holdfast',
    payload: buildPayload,
    idOf: digestOf,
    attempts: 5,
    backoff: seconds(2),
    timeLimit: seconds(300),
  },
  'chunk-prefetch': {
    summary: "copies variants to an engine's fast tier while a program's tool runs",
    payload: prefetchPayload,
    idOf: digestOf,
    // Later than this the turn has come, and has loaded them itself.
    attempts: 2,
    backoff: millis(250),
    timeLimit: seconds(30),
  },
};
