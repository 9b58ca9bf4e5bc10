import type { HostMemory, StepTimeCoefficients } from '@holdfast/simulation';
import type { ChunkSettings } from './chunk/chunk-settings.js';

/** What one simulated engine is. Every field is valid. */
export interface EngineSettings {
  /** Served model name. */
  readonly model: string;
  /** Name of the profile its figures come from. */
  readonly profile: string;
  readonly totalBlocks: number;
  /** Tokens in a block. */
  readonly blockTokens: number;
  readonly maxRunningRequests: number;
  /** Tokens one step may compute. */
  readonly tokenBudget: number;
  /** Tokens of prompt and output together; at most what the pool holds. */
  readonly maxContextTokens: number;
  /** Token ids below this are legal. */
  readonly vocabularySize: number;
  /** Share of the pool that hard pins may take together, 0 to 1. */
  readonly maxPinnedFraction: number;
  readonly stepTime: StepTimeCoefficients;
  /** Host memory that takes overwritten KV. */
  readonly host: HostMemory;
  /** Names this life of the engine. */
  readonly epoch: string;
  /** Decides, with the prompt, what is generated. */
  readonly seed: number;
  /** Calls of the prompt's tools for each message of the user, before the answer in words. */
  readonly toolCallsPerTask: number;
  /** Model milliseconds between two load reports on an idle event stream. */
  readonly statsIntervalMs: number;
  /** Reuse of chunks; absent: holdfast.chunk.v1 is not served. */
  readonly chunks?: ChunkSettings;
}
