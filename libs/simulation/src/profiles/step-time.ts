import type { PrefillCost } from '@holdfast/scheduling';

/**
 * Coefficients of the step-time formula, in microseconds.
 *
 * `step = base + perPrefillToken*P + perDecodeSequence*B + perContextToken*sum(context) + perPrefillPair*sum(p*(k + p/2))`
 */
export interface StepTimeCoefficients {
  /** Cost of any step: launch, sampling, host work. */
  readonly baseMicros: number;
  /** Per uncached prompt token in the step. */
  readonly perPrefillTokenMicros: number;
  /** Per decoding sequence in the step. */
  readonly perDecodeSequenceMicros: number;
  /** Per token of context of each decoding sequence: reading its KV. */
  readonly perContextTokenMicros: number;
  /** Per pair of a prefilled token and a token it attends to. */
  readonly perPrefillPairMicros: number;
}

/** What one step computes, as far as its duration depends on it. */
export interface StepBatch {
  /** P: uncached prompt tokens of all chunks. */
  readonly prefillTokens: number;
  /** Sum over chunks of `p*(k + p/2)`, where `k` tokens of the sequence are in KV before the chunk of `p` tokens. */
  readonly prefillPairs: number;
  /** B: sequences that decode one token. */
  readonly decodeSequences: number;
  /** Sum of their context lengths, in tokens. */
  readonly decodeContextTokens: number;
  /** Tokens whose KV comes from host memory; absent: none. */
  readonly reloadTokens?: number;
}

/** Pure. Attention pairs of one prefill chunk of `chunkTokens` tokens after `knownTokens` tokens that are in KV. */
export const prefillPairs = (knownTokens: number, chunkTokens: number): number =>
  chunkTokens * (knownTokens + chunkTokens / 2);

/** Pure. Duration of one step in microseconds, not rounded. */
export const stepMicros = (coefficients: StepTimeCoefficients, batch: StepBatch): number =>
  coefficients.baseMicros +
  coefficients.perPrefillTokenMicros * batch.prefillTokens +
  coefficients.perDecodeSequenceMicros * batch.decodeSequences +
  coefficients.perContextTokenMicros * batch.decodeContextTokens +
  coefficients.perPrefillPairMicros * batch.prefillPairs;

/**
 * Pure. The prefill quadratic of an engine: seconds that a prompt of x uncached tokens takes alone, in chunks of at most
 * `tokenBudget` tokens.
 *
 * Exactly, it takes ceil(x/T) steps; the linear terms add up to `perPrefillToken*x` and the pairs telescope to x^2/2:
 * `base*ceil(x/T) + perPrefillToken*x + perPrefillPair*x^2/2`. The quadratic replaces ceil(x/T) by its mean x/T + 1/2,
 * so it is never off by more than half a base step.
 */
export const prefillCostOf = (coefficients: StepTimeCoefficients, tokenBudget: number): PrefillCost => ({
  baseSeconds: coefficients.baseMicros / 2 / 1e6,
  perTokenSeconds: (coefficients.perPrefillTokenMicros + coefficients.baseMicros / tokenBudget) / 1e6,
  perTokenSquaredSeconds: coefficients.perPrefillPairMicros / 2 / 1e6,
});
