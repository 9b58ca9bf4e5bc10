import type { ProgramId } from '../model/ids.js';

/** What is known of a tool call before it ends. */
export interface DurationKey {
  readonly tenantId: string;
  readonly programClass: string;
  readonly programId: ProgramId;
  /** `tool` or `tool:command class`, e.g. `bash:npm test`; empty where nobody reported a tool (people, among others). */
  readonly tool: string;
}

/** Pure. The `tool` of a key for a tool whose command is of this class; null or empty: the tool has none. */
export const toolOfClass = (tool: string, commandClass: string | null): string =>
  commandClass === null || commandClass === '' ? tool : `${tool}:${commandClass}`;

/** News of one tool call. A call that runs long is told in parts, each with the end of the last one as `fromSeconds`. */
export interface DurationNews {
  /** Up to where the call was told already; 0 for the first news of it. */
  readonly fromSeconds: number;
  /** How long it has run. */
  readonly toSeconds: number;
  /** False: it still runs, so all that is known is that it takes longer (right-censored). */
  readonly isOver: boolean;
}

/** What is expected of a tool call. Durations are those of the whole call, not what is left of it. */
export interface DurationForecast {
  /** Pure. Seconds that the call lasts at most with this probability, above 0 and below 1. */
  quantile(probability: number): number;
  /** Pure. Probability that it lasts at most so many seconds in all. */
  probabilityWithin(seconds: number): number;
}

/** Learns how long tools take, from calls in order of time, and says what to expect of the next one. */
export interface DurationPredictor {
  /** Modifies state. */
  observe(key: DurationKey, news: DurationNews): void;
  /**
   * Pure. What to expect of a call that has run for `elapsedSeconds`.
   *
   * @param timeoutSeconds - when the caller gives the call up: no duration is expected beyond.
   */
  predict(key: DurationKey, elapsedSeconds: number, timeoutSeconds?: number): DurationForecast;
  /** Modifies state. The program has ended: nothing more will be asked about it. */
  forget(programId: ProgramId): void;
}
