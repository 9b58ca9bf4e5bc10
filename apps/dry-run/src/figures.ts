import { distributionOf, type Distribution, type FinishedTurnRecord, type ProgramRecord } from '@holdfast/simulation';

/** In seconds to the microsecond; all zero without values. */
export type RoundedDistribution = Omit<Distribution, 'p99'>;

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
      jctSeconds: roundedOf(this.#jctSeconds),
      ttftSeconds: roundedOf(this.#ttftSeconds),
      queueWaitSeconds: roundedOf(this.#queueWaitSeconds),
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      recomputedTokens: this.#recomputedTokens,
      outputTokens: this.#outputTokens,
    };
  }
}

/** Times are from the submission of a turn, or from the arrival of a program. */
export interface FiguresSummary {
  readonly jctSeconds: RoundedDistribution;
  readonly ttftSeconds: RoundedDistribution;
  readonly queueWaitSeconds: RoundedDistribution;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Tokens of contexts that were computed again. */
  readonly recomputedTokens: number;
  readonly outputTokens: number;
}

const roundedOf = (values: readonly number[]): RoundedDistribution => {
  const { mean, p50, p95, max } = distributionOf(values);
  return { mean: rounded(mean), p50: rounded(p50), p95: rounded(p95), max: rounded(max) };
};

const rounded = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;
