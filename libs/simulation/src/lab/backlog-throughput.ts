import type { Instant } from '@holdfast/scheduling';

const FROM_SHARE = 0.1;
const TO_SHARE = 0.8;

/**
 * Pure. Programs per second while a backlog lasts: between the 10th and the 80th percentile of completions, so neither
 * the start, when nothing can be complete, nor the end, when the engine runs empty, counts.
 *
 * @throws RangeError for fewer than ten completions, or when they all fall on one instant.
 */
export const backlogThroughput = (completions: readonly Instant[]): number => {
  if (completions.length < 10) {
    throw new RangeError(`a backlog of ${completions.length} programs is no measure; allowed are at least 10`);
  }
  const sorted = [...completions].sort((a, b) => a - b);
  const from = Math.floor(sorted.length * FROM_SHARE);
  const to = Math.floor(sorted.length * TO_SHARE);
  const spanMicros = sorted[to]! - sorted[from]!;
  if (spanMicros <= 0) throw new RangeError('the backlog completes within one microsecond: the programs are empty');
  return ((to - from) / spanMicros) * 1e6;
};
