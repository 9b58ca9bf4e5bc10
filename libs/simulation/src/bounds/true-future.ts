import { prefillSeconds, toSeconds, type PrefillCost, type ProgramId } from '@holdfast/scheduling';
import type { Arrival, RecordedProgram } from '../lab/workload.js';
import type { StepTimeCoefficients } from '../profiles/step-time.js';

/** What is still to come of each program. */
export interface TrueFuture {
  /** Pure. Seconds of the machine from this turn on, contexts kept: new prompt tokens and answers, no gaps. */
  remainingSeconds(programId: ProgramId, fromTurn: number): number;
  /** Pure. Seconds between the end of this turn and the next submission; null after the last turn. */
  gapSeconds(programId: ProgramId, turn: number): number | null;
}

interface ProgramFuture {
  readonly remainingSeconds: readonly number[];
  readonly gapSeconds: readonly number[];
}

/** Pure. Reads the future out of the programs that arrive. */
export const trueFuture = (
  arrivals: readonly Arrival[],
  cost: { readonly prefill: PrefillCost; readonly step: StepTimeCoefficients },
): TrueFuture => {
  const futures = new Map(arrivals.map(({ program }) => [program.programId, futureOf(program, cost)]));
  return {
    remainingSeconds: (programId, fromTurn) => futures.get(programId)?.remainingSeconds[fromTurn] ?? 0,
    gapSeconds: (programId, turn) => futures.get(programId)?.gapSeconds[turn] ?? null,
  };
};

/** Sequences that decode together, to share the cost of a step: the order barely depends on it. */
const TYPICAL_BATCH = 8;

const futureOf = (
  { turns }: RecordedProgram,
  { prefill, step }: { readonly prefill: PrefillCost; readonly step: StepTimeCoefficients },
): ProgramFuture => {
  const remainingSeconds = new Array<number>(turns.length + 1).fill(0);
  for (let index = turns.length - 1; index >= 0; index -= 1) {
    const { promptTokens, sharedTokens, outputTokens } = turns[index]!;
    const prefillTime = prefillSeconds(prefill, promptTokens) - prefillSeconds(prefill, sharedTokens);
    const perToken =
      step.baseMicros / TYPICAL_BATCH + step.perDecodeSequenceMicros + step.perContextTokenMicros * promptTokens;
    remainingSeconds[index] = remainingSeconds[index + 1]! + prefillTime + (outputTokens * perToken) / 1e6;
  }
  return { remainingSeconds, gapSeconds: turns.slice(0, -1).map(({ gap }) => toSeconds(gap)) };
};
