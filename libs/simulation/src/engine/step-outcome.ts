import type { Instant } from '@holdfast/scheduling';
import type { ModelPin } from './model-pin.js';

/** One token of one request. */
export interface ProducedToken {
  readonly requestId: string;
  readonly tokenId: number;
  /** True for the first output token of the request, in its whole life. */
  readonly isFirst: boolean;
}

/** A request that left the engine by itself. */
export interface FinishedRequest {
  readonly requestId: string;
  readonly programId: string | undefined;
  readonly promptTokens: number;
  /** Prompt tokens found in the cache when the request was first admitted. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** `error`: prompt and output need more blocks than the pool has, nothing was computed. */
  readonly finishReason: 'stop' | 'error';
  /** The pin that was set with it; absent when none was asked for or the cap forbade it. */
  readonly pin?: ModelPin;
}

/** What one step did. */
export interface StepOutcome {
  /** When the step ended. */
  readonly at: Instant;
  readonly tokens: readonly ProducedToken[];
  readonly finished: readonly FinishedRequest[];
  /** Requests preempted when the step was scheduled; they wait again. */
  readonly preempted: readonly string[];
}
