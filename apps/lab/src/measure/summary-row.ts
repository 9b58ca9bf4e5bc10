import type { Distribution } from '@holdfast/simulation';

/** One trace, engine, policy, load and seed: a row of `holdfast.lab.summary/v1` (docs/schemas). */
export interface SummaryRow {
  readonly trace: string;
  readonly engine: string;
  readonly engines: number;
  /** As it was given. */
  readonly policy: string;
  readonly load: number;
  readonly seed: number;
  readonly programs: number;
  readonly finished: number;
  readonly jctSeconds: Distribution;
  readonly ttftSeconds: Distribution;
  readonly queueWaitSeconds: Distribution;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly recomputedTokens: number;
  /** Prompt tokens that came back from host memory, at every admission; absent without host memory. */
  readonly reloadedTokens?: number;
  /** Tokens that went to host memory; absent without host memory. */
  readonly offloadedTokens?: number;
  readonly outputTokens: number;
  readonly preemptions: number;
  readonly pins: PinCounts;
  readonly pinnedByteSeconds: { readonly used: number; readonly wasted: number };
  readonly turnsPerSecond: number;
}

/** What became of pins. `released` and `open` are in no row, but add up to `set` with the rest. */
export interface PinCounts {
  readonly set: number;
  readonly hit: number;
  readonly expired: number;
  readonly revoked: number;
}

/** The document `summary.json`. */
export interface Summary {
  readonly schema: 'holdfast.lab.summary/v1';
  readonly rows: readonly SummaryRow[];
}
