import { prefillPairs, type StepBatch } from '../profiles/step-time.js';
import type { RequestState } from './request-state.js';

/**
 * Pure. What a scheduled step computes. A sequence decodes when it feeds its latest output token back; everything else
 * is prefill, the recomputation after a preemption too.
 */
export const stepBatchOf = (requests: readonly RequestState[]): StepBatch => {
  let prefillTokens = 0;
  let pairs = 0;
  let decodeSequences = 0;
  let decodeContextTokens = 0;
  let reloadTokens = 0;
  for (const request of requests) {
    reloadTokens += request.reloading;
    if (request.produced > 0 && request.computed === request.tokens - 1) {
      decodeSequences += 1;
      decodeContextTokens += request.tokens;
    } else {
      prefillTokens += request.scheduled;
      pairs += prefillPairs(request.computed, request.scheduled);
    }
  }
  return { prefillTokens, prefillPairs: pairs, decodeSequences, decodeContextTokens, reloadTokens };
};
