import type { chunk } from '@holdfast/contracts';
import type { EngineDescription, EngineHints, EngineLoad, PinTerms } from '@holdfast/scheduling';
import type { ChunkOperations, ChunkWork } from './chunk/chunk-operations.js';
import type { SamplingFeature } from './sampling-features.js';

/** Facts read from an engine when it is attached. */
export interface EngineInfo {
  readonly description: EngineDescription;
  readonly model: string;
  readonly vocabularySize: number;
  readonly maxContextTokens: number;
  readonly eosTokenIds: readonly number[];
  /** "sim", "vllm" (with the plug-in), "vllm-stock", or "chunk-..." for one of holdfast.chunk.v1. */
  readonly kind: string;
  readonly version: string;
  /** What its `generate` understands beside lengths, temperature and seed; what it does not, it refuses. */
  readonly samplingFeatures: readonly SamplingFeature[];
}

/** The form that a grammar in the engine holds the output to. */
export type StructuredOutput =
  /** A JSON schema, as text. */
  | { readonly type: 'jsonSchema'; readonly schema: string }
  | { readonly type: 'jsonObject' }
  /** A regular expression that the whole output matches. */
  | { readonly type: 'regex'; readonly pattern: string }
  /** EBNF with the start symbol `root`. */
  | { readonly type: 'grammar'; readonly ebnf: string }
  | { readonly type: 'choice'; readonly choices: readonly string[] };

/** How to generate. Ranges and meanings are those of `holdfast.program.v1.Sampling`. */
export interface GenerateSampling {
  readonly maxTokens: number;
  readonly minTokens?: number;
  readonly ignoreEos?: boolean;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly repetitionPenalty?: number;
  readonly minP?: number;
  readonly stopTokenIds?: readonly number[];
  readonly logitBias?: readonly { readonly tokenId: number; readonly bias: number }[];
  /** Candidates beside each output token's own log probability, 0 to 20; absent: no log probabilities. */
  readonly logprobs?: number;
  readonly structuredOutput?: StructuredOutput;
}

/** How likely an output token was to the model, before temperature, penalties and grammars: natural logarithms. */
export interface TokenLogprob {
  readonly logprob: number;
  /** The likeliest tokens in its place, likeliest first; as many as were asked for. */
  readonly topIds: readonly number[];
  /** Theirs, in the same order. */
  readonly topLogprobs: readonly number[];
}

export interface GenerateCall {
  /** Unique per attempt. */
  readonly requestId: string;
  /** Prompt token ids. */
  readonly promptIds: Uint32Array;
  readonly sampling: GenerateSampling;
  readonly hints: EngineHints;
  /** How the KV of a prompt with chunks is made; only for engines with `chunks`. */
  readonly chunks?: ChunkWork;
  /** W3C trace context to send along. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** Aborts the request in the engine. */
  readonly signal: AbortSignal;
}

export type GenerateEvent =
  | {
      readonly type: 'tokens';
      readonly tokenIds: readonly number[];
      readonly cachedTokens: number;
      /** One for each token when the call asked for them. */
      readonly logprobs?: readonly TokenLogprob[];
    }
  | {
      readonly type: 'complete';
      readonly finishReason: 'stop' | 'length' | 'abort';
      readonly promptTokens: number;
      readonly cachedTokens: number;
      readonly outputIds: readonly number[];
      /** What the engine holds for the program now. `expiresInMs` counts from the moment the answer was sent. */
      readonly pin?: { readonly pinnedTokens: number; readonly expiresInMs: number };
      /** What an engine of holdfast.chunk.v1 did with the prompt. */
      readonly chunks?: chunk.ExecuteResult;
    };

export interface HeldPin {
  readonly programId: string;
  readonly pinnedBlocks: number;
  readonly pinnedTokens: number;
  readonly expiresInMs: number;
}

export type WatchEvent =
  | { readonly type: 'load'; readonly epoch: string; readonly load: EngineLoad }
  | {
      readonly type: 'pin';
      readonly epoch: string;
      readonly change: 'set' | 'renewed' | 'released' | 'expired' | 'revoked' | 'hit';
      readonly pin: HeldPin;
      readonly reason?: 'growth' | 'outbid' | 'stall';
    };

/**
 * The port to one engine. Every implementation passes `engineClientConformance` of @holdfast/testing.
 *
 * Errors are EngineError with a `reason` of holdfast.errors.v1.Reason: ENGINE_UNREACHABLE, ENGINE_DEADLINE,
 * ENGINE_RESTARTED, ENGINE_PROTOCOL_VIOLATED (also for a request that failed inside the engine: `retryable` then),
 * ENGINE_CAPABILITY_MISSING (also for sampling that the engine has no feature for, before anything is sent), EPOCH_STALE,
 * PIN_NOT_FOUND, PIN_CAP_REACHED, KV_NOT_RESIDENT, QUEUE_FULL, FIELD_INVALID, PROMPT_EMPTY, PROMPT_TOO_LONG,
 * TOKEN_OUT_OF_VOCABULARY, MESSAGE_TOO_LARGE, and CALLER_CANCELLED from a `generate` whose signal was aborted. No method hangs: each has a deadline of its own, and streams have an idle deadline.
 */
export interface EngineClient {
  /** Reads the engine's facts and discovers its capabilities. */
  info(): Promise<EngineInfo>;
  /**
   * Runs a request. Yields token deltas, then exactly one `complete`. Pulling slowly slows the engine's stream down
   * (backpressure). Leaving the loop early or aborting the signal aborts the request in the engine.
   */
  generate(call: GenerateCall): AsyncIterable<GenerateEvent>;
  /** Sets a pin over the program's last finished turn. Idempotent: replaces a pin that is there. */
  pin(programId: string, epoch: string, terms: PinTerms): Promise<HeldPin>;
  /** Gives a live pin new terms. PIN_NOT_FOUND when it is gone. */
  renew(programId: string, epoch: string, terms: PinTerms): Promise<HeldPin>;
  /** Gives a pin up. False when there was none. */
  release(programId: string, epoch: string): Promise<boolean>;
  /**
   * Gives a request that waits or runs in the engine another rank, a safe integer: a waiting one is admitted by it, a
   * running one preempted by it. False when the request is not in the engine, not yet or no longer.
   */
  rerank(requestId: string, epoch: string, rank: number): Promise<boolean>;
  listPins(): Promise<{ readonly epoch: string; readonly pins: readonly HeldPin[] }>;
  load(): Promise<{ readonly epoch: string; readonly load: EngineLoad }>;
  /**
   * Loads at the interval and pin events at once, until the signal aborts. Ends with an error when the engine goes
   * away or restarts; the caller attaches again. On engines without KvControl: loads only (GetLoads, polled).
   */
  watch(options: { readonly intervalMs: number; readonly signal: AbortSignal }): AsyncIterable<WatchEvent>;
  /** The zip of GetTokenizer, verified against its SHA-256. */
  tokenizerArchive(): Promise<Uint8Array>;
  /** Resolves when the engine says it serves; rejects with ENGINE_UNREACHABLE otherwise. */
  checkHealth(): Promise<void>;
  close(): void;
  /** Operations on stored KV of chunks; absent where the engine has none. */
  readonly chunks?: ChunkOperations;
}
