import type { FinishedTurnRecord, ProgramRecord } from '@holdfast/simulation';
import { mean, quantileSorted } from 'simple-statistics';

/** Mean and quantiles, in seconds to the microsecond; all zero without values. */
export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** Gathers the figures of one policy while its programs run. */
export class Figures {
  readonly #jctSeconds: number[] = [];
  readonly #ttftSeconds: number[] = [];
  readonly #queueWaitSeconds: number[] = [];
  #promptTokens = 0;
  #cachedTokens = 0;
  #recomputedTokens = 0;
  #outputTokens = 0;

  /** Modifies state. */
  turn(turn: FinishedTurnRecord): void {
    this.#ttftSeconds.push((turn.startedAt - turn.submittedAt) / 1e6);
    this.#queueWaitSeconds.push((turn.dispatchedAt - turn.submittedAt) / 1e6);
    this.#promptTokens += turn.promptTokens;
    this.#cachedTokens += turn.cachedTokens;
    this.#recomputedTokens += turn.recomputedTokens;
    this.#outputTokens += turn.outputTokens;
  }

  /** Modifies state. */
  program({ arrivedAt, finishedAt }: ProgramRecord): void {
    this.#jctSeconds.push((finishedAt - arrivedAt) / 1e6);
  }

  /** Pure. */
  summary(): FiguresSummary {
    return {
      jctSeconds: distributionOf(this.#jctSeconds),
      ttftSeconds: distributionOf(this.#ttftSeconds),
      queueWaitSeconds: distributionOf(this.#queueWaitSeconds),
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      recomputedTokens: this.#recomputedTokens,
      outputTokens: this.#outputTokens,
    };
  }
}

/** Times are from the submission of a turn, or from the arrival of a program. */
export interface FiguresSummary {
  readonly jctSeconds: Distribution;
  readonly ttftSeconds: Distribution;
  readonly queueWaitSeconds: Distribution;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Tokens of contexts that were computed again. */
  readonly recomputedTokens: number;
  readonly outputTokens: number;
}

const distributionOf = (values: readonly number[]): Distribution => {
  if (values.length === 0) return { mean: 0, p50: 0, p95: 0, max: 0 };
  const sorted = [...values].sort((a, b) => a - b);
  return {
    mean: rounded(mean(sorted)),
    p50: rounded(quantileSorted(sorted, 0.5)),
    p95: rounded(quantileSorted(sorted, 0.95)),
    max: rounded(sorted.at(-1) ?? 0),
  };
};

const rounded = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;
