import type { Clock } from '@holdfast/platform';
import type { Duration, EngineCapabilities, PrefillCost } from '@holdfast/scheduling';
import { micros, seconds } from '@holdfast/scheduling';
import type { GenerateCall } from '../engine-client.js';
import { FEATURES_WITHOUT_GRAMMARS, type SamplingFeature } from '../sampling-features.js';

/** Options of `createFakeEngine`. */
export interface FakeEngineOptions {
  readonly engineId: string;
  /** Expiry of pins, latency, watch intervals and deadlines follow it. */
  readonly clock: Clock;
  /** Default: everything. Without `pins` the fake behaves like a stock vLLM. */
  readonly capabilities?: EngineCapabilities;
  /** Default: all but grammars. What shapes probabilities has no effect; `answer` has to keep to a form that is asked for. */
  readonly samplingFeatures?: readonly SamplingFeature[];
  readonly model?: string;
  readonly totalBlocks?: number;
  readonly blockTokens?: number;
  readonly maxRunningRequests?: number;
  readonly maxContextTokens?: number;
  /** Share of the pool that hard pins may take together. */
  readonly maxPinnedFraction?: number;
  readonly prefillCost?: PrefillCost;
  /** Time to the first token for each uncached prompt token. */
  readonly prefillPerToken?: Duration;
  /** Time of each further token. */
  readonly decodePerToken?: Duration;
  /** Silence after which a hanging stream fails. */
  readonly streamIdle?: Duration;
  /** One token in so many ends an answer, on average; 0 never. */
  readonly eosOneIn?: number;
  /** Output token ids for a call, instead of the formula. Undefined: the formula. */
  readonly answer?: (call: GenerateCall) => readonly number[] | undefined;
}

/** Pure. The options with their defaults. */
export const resolveOptions = (options: FakeEngineOptions): ResolvedFakeOptions => ({
  capabilities: { pins: true, softPins: true, ordersByRank: true, reranks: true },
  samplingFeatures: FEATURES_WITHOUT_GRAMMARS,
  model: 'fake-model',
  totalBlocks: 1_024,
  blockTokens: 16,
  maxRunningRequests: 8,
  maxContextTokens: 8_192,
  maxPinnedFraction: 0.95,
  prefillCost: { baseSeconds: 0.01, perTokenSeconds: 0.0001, perTokenSquaredSeconds: 0 },
  prefillPerToken: micros(0),
  decodePerToken: micros(0),
  streamIdle: seconds(60),
  eosOneIn: 64,
  answer: () => undefined,
  ...options,
});

/** Every option has a value. */
export type ResolvedFakeOptions = Required<FakeEngineOptions>;
