import type { RecordedRequest } from './recorded-requests.js';

/** Latencies of one request, microseconds. */
export interface Latencies {
  /** From its arrival to its first token. */
  readonly ttft: number;
  /** Mean time between its tokens. */
  readonly interToken: number;
  /** From its arrival to its last token. */
  readonly endToEnd: number;
}

export type LatencyName = keyof Latencies;

export const latencyNames: readonly LatencyName[] = ['ttft', 'interToken', 'endToEnd'];

/** Pure. */
export const latenciesOf = (
  { arrivedAt, outputTokens }: Pick<RecordedRequest, 'arrivedAt' | 'outputTokens'>,
  { firstTokenAt, lastTokenAt }: Pick<RecordedRequest, 'firstTokenAt' | 'lastTokenAt'>,
): Latencies => ({
  ttft: firstTokenAt - arrivedAt,
  interToken: (lastTokenAt - firstTokenAt) / (outputTokens - 1),
  endToEnd: lastTokenAt - arrivedAt,
});
