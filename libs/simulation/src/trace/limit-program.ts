import { micros, type Duration } from '@holdfast/scheduling';
import type { RecordedProgram } from '../lab/workload.js';

/** How far a recorded program is taken as it is. */
export interface ProgramLimits {
  /** Longer gaps count as this long. */
  readonly gapCap: Duration;
  /** Longer prompts are cut to this length, at their end. */
  readonly maxContextTokens: number;
}

/** Pure. The program within its limits. The last gap is none. */
export const limitProgram = (program: RecordedProgram, limits: ProgramLimits): RecordedProgram => {
  let contextTokens = 0;
  const last = program.turns.length - 1;
  const turns = program.turns.map((turn, index) => {
    const promptTokens = Math.min(turn.promptTokens, limits.maxContextTokens);
    const sharedTokens = Math.min(turn.sharedTokens, contextTokens, promptTokens - 1);
    contextTokens = promptTokens + turn.outputTokens;
    const gap = micros(index === last ? 0 : Math.min(turn.gap, limits.gapCap));
    return { ...turn, promptTokens, sharedTokens, gap };
  });
  return { ...program, turns };
};
