import type { Decision } from '@holdfast/scheduling';
import type { PinOutcome } from './pin-ledger.js';

/** What the report shows of a cell beyond its row. */
export interface CellDetail {
  /** In order of arrival. */
  readonly jctSeconds: readonly number[];
  /** 101 percentiles. */
  readonly ttftPercentiles: readonly number[];
  readonly pinOutcomes: Readonly<Record<PinOutcome, number>>;
  readonly endedAtSeconds: number;
  /** Only of cells that are looked at closely. */
  readonly close?: CloseUp;
}

/** A cell seen over its time. */
export interface CloseUp {
  readonly binSeconds: number;
  /** Mean turns that wait for their first token, by bin. */
  readonly queueDepth: readonly number[];
  /** KV tokens of running turns and pins, by bin: program (in order of arrival) and its mean tokens. */
  readonly occupancy: readonly (readonly (readonly [program: number, tokens: number])[])[];
  readonly poolTokens: number;
  readonly chosen: ChosenProgram;
}

/** One program from its arrival to its end. Times are seconds after its arrival. */
export interface ChosenProgram {
  readonly programId: string;
  readonly turns: readonly TurnSpan[];
  readonly pins: readonly ChosenPin[];
}

export interface TurnSpan {
  readonly submittedAt: number;
  readonly dispatchedAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly recomputedTokens: number;
  readonly outputTokens: number;
}

export interface ChosenPin {
  readonly setAt: number;
  readonly endedAt: number;
  readonly outcome: PinOutcome;
  readonly tokens: number;
  /** The latest retention decision before it was set or renewed. */
  readonly decision: Pick<Decision, 'policy' | 'choice' | 'reason' | 'inputs'> | null;
}
