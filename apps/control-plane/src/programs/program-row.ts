import type { ProgramRow } from '@holdfast/persistence';
import type { ProgramView } from '@holdfast/scheduling';
import type { LiveProgram } from './live-program.js';
import { stateOf } from './program-to-proto.js';

/** Pure. A program in memory as it is stored. `view` is the kernel's, null after the end. */
export const programRowOf = (program: LiveProgram, view: ProgramView | null, poolId: string): ProgramRow => {
  const { facts, counts, end, trace } = program;
  return {
    ...facts,
    priority: program.priority,
    parentId: facts.parentId ?? null,
    expectedTurns: facts.expectedTurns ?? null,
    expectedTokens: facts.expectedTokens ?? null,
    poolId,
    state: stateOf(program, view),
    lastActiveAt: program.lastActiveAt,
    endedAt: end?.at ?? null,
    endMessage: end?.message ?? null,
    turnsFinished: counts.turnsFinished,
    toolCallsEnded: counts.toolCallsEnded,
    contextTokens: program.contextTokens,
    promptTokens: counts.promptTokens,
    cachedTokens: counts.cachedTokens,
    outputTokens: counts.outputTokens,
    recomputedTokens: counts.recomputedTokens,
    engineId: view?.engineId ?? null,
    traceparent: trace.traceparent ?? null,
  };
};
