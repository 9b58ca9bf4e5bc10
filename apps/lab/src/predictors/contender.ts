import type { DurationForecast, DurationKey, DurationNews } from '@holdfast/scheduling';

/** What a contender says of one call. */
export interface Forecast {
  /** As likely above as below. */
  readonly medianSeconds: number;
  /** Null for those that know a middle only. */
  readonly distribution: DurationForecast | null;
}

/** Something that predicts how long tools take, and learns from calls in order of time. */
export interface Contender {
  readonly name: string;
  /** Modifies state. */
  observe(key: DurationKey, news: DurationNews): void;
  /** Pure. Null: it has nothing to say yet. */
  predict(key: DurationKey, elapsedSeconds: number): Forecast | null;
  /** Modifies state. The program has ended. */
  forget(programId: string): void;
}
