import type { RecordedProgramRow } from '@holdfast/persistence';
import { between, toolOfClass, type Instant } from '@holdfast/scheduling';

/** A recorded program as `apps/dry-run` reads it. */
export interface ProgramScript {
  readonly programId: string;
  readonly programClass: string;
  readonly arrivedAtMicros: number;
  readonly turns: readonly {
    readonly promptTokens: number;
    readonly sharedTokens: number;
    readonly outputTokens: number;
    readonly tool?: string;
    readonly gapMicros: number;
  }[];
}

/**
 * Pure. What a program asked for, whatever came of it: when it arrived, how long its prompts and answers were, how long
 * its tools took. A program that began before the window arrives with its first turn inside, and its whole context is new.
 */
export const programScript = (program: RecordedProgramRow, from: Instant): ProgramScript => {
  const { programId, programClass, turns } = program;
  const [first] = turns;
  return {
    programId,
    programClass,
    arrivedAtMicros: first === undefined ? 0 : between(from, first.submittedAt),
    turns: turns.map((turn, index) => {
      const next = turns[index + 1];
      const tool =
        next === undefined || turn.tool === null ? null : toolOfClass(turn.tool.name, turn.tool.commandClass);
      return {
        promptTokens: Math.max(1, turn.promptTokens),
        sharedTokens: index === 0 ? 0 : turn.keepTokens,
        outputTokens: Math.max(1, turn.outputTokens),
        ...(tool === null ? {} : { tool }),
        gapMicros: next === undefined ? 0 : Math.max(0, next.submittedAt - turn.finishedAt),
      };
    }),
  };
};
