/** State of the pool and the queues. `freeBlocks + evictableBlocks + pinnedBlocks + activeBlocks = totalBlocks`. */
export interface ModelStats {
  readonly totalBlocks: number;
  /** Blocks that hold nothing reusable. */
  readonly freeBlocks: number;
  /** Blocks that hold cached KV nobody uses or hard-pins; soft-pinned ones are among them. */
  readonly evictableBlocks: number;
  /** Blocks under hard pins that no running request uses. */
  readonly pinnedBlocks: number;
  /** Blocks in use by running requests. */
  readonly activeBlocks: number;
  readonly runningRequests: number;
  readonly waitingRequests: number;
  /** Live pins. */
  readonly pins: number;
  /** Requests preempted so far. */
  readonly preemptions: number;
  /** Prompt tokens of admitted requests so far, each request once. */
  readonly promptTokens: number;
  /** Of these, tokens found in the cache at admission. */
  readonly cachedTokens: number;
  /** Tokens that came back from host memory so far, at every admission; of the first ones, part of `cachedTokens`. */
  readonly reloadedTokens: number;
  /** Tokens that went to host memory so far. */
  readonly offloadedTokens: number;
  /** Tokens produced so far. */
  readonly outputTokens: number;
}
