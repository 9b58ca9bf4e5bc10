import { PrefixOrder } from '@holdfast/chunk-cache';
import { PART_KINDS, uniqueTokens, type ChunkRequest, type ChunkTrace, type PromptPart } from './chunk-trace.js';
import { replayHits } from './replay-hits.js';

/** Share of tokens that some rule finds again. */
export interface ReuseCeiling {
  /** Tokens of all prompts, of the parts looked at. */
  readonly tokens: number;
  /** Tokens behind the same tokens as before, with room for everything. */
  readonly prefixTokens: number;
  /** Tokens of parts that were there before, in any place. */
  readonly anywhereTokens: number;
}

/** What is in a trace of chunks. */
export interface ChunkCensus {
  readonly requests: number;
  readonly chunkReferences: number;
  readonly distinctChunks: number;
  readonly uniqueTokens: number;
  /** References to a chunk that was asked for before. */
  readonly repeatedReferences: number;
  readonly chunks: ReuseCeiling;
  /** The same when the chunks of each prompt are put into the order that prefix caches find most in. */
  readonly arrangedChunks: ReuseCeiling;
  readonly wholePrompt: ReuseCeiling;
  /** One copy of each chunk, LRU, at shares of the unique tokens. */
  readonly lru: readonly LruRate[];
}

/** Share of chunk tokens that LRU finds. */
export interface LruRate {
  readonly capacityShare: number;
  readonly inTimeOrder: number;
  /** In the order of the file, which is another one in some traces. */
  readonly inFileOrder: number;
}

/** Capacities that `inspect` and, unless told otherwise, `compare` look at: shares of the unique chunk tokens. */
export const DEFAULT_CAPACITY_SHARES: readonly number[] = [0.05, 0.1, 0.2, 0.5];

/** Pure. */
export const chunkCensus = (trace: ChunkTrace): ChunkCensus => {
  const { requests } = trace;
  const seen = new Map<string, number>();
  let references = 0;
  for (const { id, lengthTokens } of requests.flatMap(({ parts }) => parts.chunks)) {
    references += 1;
    seen.set(id, lengthTokens);
  }
  return {
    requests: requests.length,
    chunkReferences: references,
    distinctChunks: seen.size,
    uniqueTokens: uniqueTokens(requests),
    repeatedReferences: references - seen.size,
    chunks: reuseCeiling(requests.map(({ parts }) => parts.chunks)),
    arrangedChunks: reuseCeiling(arranged(requests)),
    wholePrompt: reuseCeiling(requests.map(({ parts }) => PART_KINDS.flatMap((kind) => parts[kind]))),
    lru: lruRates(requests),
  };
};

const lruRates = (inTime: readonly ChunkRequest[]): readonly LruRate[] => {
  const inFile = [...inTime].sort((a, b) => a.place - b.place);
  const rate = (requests: readonly ChunkRequest[], capacityShare: number): number => {
    const [whole] = replayHits(requests, { policy: 'lru', capacityShare, windows: [0] });
    return whole!.hitTokens / whole!.tokens;
  };
  return DEFAULT_CAPACITY_SHARES.map((capacityShare) => ({
    capacityShare,
    inTimeOrder: rate(inTime, capacityShare),
    inFileOrder: rate(inFile, capacityShare),
  }));
};

const arranged = (requests: readonly ChunkRequest[]): readonly (readonly PromptPart[])[] => {
  const order = new PrefixOrder<string>();
  return requests.map(({ parts }) => {
    const byId = new Map(parts.chunks.map((chunk) => [chunk.id, chunk]));
    return order.arrange([...byId.keys()]).map((id) => byId.get(id)!);
  });
};

type Node = Map<string, Node>;

const reuseCeiling = (prompts: readonly (readonly PromptPart[])[]): ReuseCeiling => {
  const root: Node = new Map();
  const seen = new Set<string>();
  let [tokens, prefixTokens, anywhereTokens] = [0, 0, 0];
  for (const prompt of prompts) {
    let node = root;
    let isPrefix = true;
    for (const { id, lengthTokens } of prompt) {
      tokens += lengthTokens;
      if (seen.has(id)) anywhereTokens += lengthTokens;
      seen.add(id);
      const known = node.get(id);
      isPrefix &&= known !== undefined;
      if (isPrefix) prefixTokens += lengthTokens;
      const next: Node = known ?? new Map();
      node.set(id, next);
      node = next;
    }
  }
  return { tokens, prefixTokens, anywhereTokens };
};
