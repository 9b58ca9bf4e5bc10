import { blockKey, ROOT_KEY } from './block-key.js';
import type { ModelRequest } from './model-request.js';

/** A request inside the engine. Plain state; the scheduler and the memory change it. */
export class RequestState {
  /** Prompt tokens, then output tokens. */
  readonly ids: Uint32Array;
  readonly promptTokens: number;
  /** Tokens known: prompt and produced. */
  tokens: number;
  /** Tokens in KV. */
  computed = 0;
  /** Order wanted now, smaller first; starts as the request's. */
  rank: number;
  /** Tokens that the step under way computes. */
  scheduled = 0;
  /** Tokens whose KV the step under way brings from host memory. */
  reloading = 0;
  /** Block table; the first `blockCount` entries count. */
  readonly blocks: Int32Array;
  blockCount = 0;
  /** Leading blocks that hold their key. */
  registered = 0;
  /** Keys of the full blocks among the known tokens; the first `keyCount` entries count. */
  readonly keys: Float64Array;
  /** Prompt tokens found at first admission; `undefined` before it. */
  cachedTokens: number | undefined = undefined;
  /** True while it waits after a preemption. */
  isPreempted = false;
  /** The pool's `gains` and the hit length when it last did not fit. */
  probedGains = -1;
  probedHits = 0;

  private keyCount = 0;

  constructor(
    readonly request: ModelRequest,
    /** Counts arrivals: the last key of every order. */
    readonly sequence: number,
    private readonly blockTokens: number,
  ) {
    this.promptTokens = request.promptIds.length;
    this.tokens = this.promptTokens;
    this.rank = request.rank;
    this.ids = new Uint32Array(this.promptTokens + request.outputTokens);
    this.ids.set(request.promptIds);
    // The last output token is never fed back, so it needs no KV.
    const kvTokens = this.promptTokens + request.outputTokens - 1;
    this.blocks = new Int32Array(Math.ceil(kvTokens / blockTokens));
    this.keys = new Float64Array(Math.floor(kvTokens / blockTokens));
    this.extendKeys();
  }

  /** Pure. Full blocks of the tokens in KV. */
  get fullBlocks(): number {
    return Math.floor(this.computed / this.blockTokens);
  }

  /** Pure. Blocks a prefix hit may cover at most: the last known token is always computed. */
  get hitLimit(): number {
    return Math.floor((this.tokens - 1) / this.blockTokens);
  }

  /** Pure. Blocks that hold all known tokens. */
  get blocksWanted(): number {
    return Math.ceil(this.tokens / this.blockTokens);
  }

  /** Pure. Output tokens so far. */
  get produced(): number {
    return this.tokens - this.promptTokens;
  }

  /** Modifies state: asks for the next output token and appends it. */
  produce(): number {
    const tokenId = this.request.outputIdAt(this.produced);
    this.ids[this.tokens] = tokenId;
    this.tokens += 1;
    this.extendKeys();
    return tokenId;
  }

  private extendKeys(): void {
    const known = Math.min(Math.floor(this.tokens / this.blockTokens), this.keys.length);
    for (; this.keyCount < known; this.keyCount += 1) {
      const parent = this.keyCount === 0 ? ROOT_KEY : this.keys[this.keyCount - 1]!;
      this.keys[this.keyCount] = blockKey(parent, this.ids, this.keyCount * this.blockTokens, this.blockTokens);
    }
  }
}
