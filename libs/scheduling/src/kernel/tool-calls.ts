import { between, type Duration } from '../model/units.js';
import { learn, type Context } from './context.js';
import type { ToolCallFinished, ToolCallStarted } from './event.js';
import { holdForToolCall } from './retention.js';
import type { ProgramRecord } from './state.js';

/** Modifies state. */
export const startToolCall = (context: Context, event: ToolCallStarted): void => {
  const program = context.state.programs.get(event.programId);
  if (program === undefined || program.openToolCalls.has(event.toolCallId)) return;
  const { toolCallId, tool, timeout } = event;
  program.openToolCalls.set(toolCallId, { toolCallId, tool, startedAt: context.now });
  program.gapHadToolCall = true;
  program.lastActivityAt = context.now;
  // A tool that runs beside a turn leaves no gap to bridge.
  if (program.turn !== null) return;
  holdForToolCall(context, program, timeout === undefined ? { tool } : { tool, toolTimeout: timeout });
};

/** Modifies state. */
export const finishToolCall = (context: Context, event: ToolCallFinished): void => {
  const program = context.state.programs.get(event.programId);
  const call = program?.openToolCalls.get(event.toolCallId);
  if (program === undefined || call === undefined) return;
  program.openToolCalls.delete(event.toolCallId);
  program.lastActivityAt = context.now;
  learnDuration(context, program, call.tool, between(call.startedAt, context.now), { inferred: false });
};

/**
 * Modifies state. The next turn is here, so every tool call of the gap is over, whether its end was reported or not;
 * a gap without any report counts as one call of an unnamed tool.
 */
export const closeOpenToolCalls = (context: Context, program: ProgramRecord): void => {
  if (program.openToolCalls.size === 0) {
    if (program.lastTurnFinishedAt !== null && !program.gapHadToolCall) {
      learnDuration(context, program, '', between(program.lastTurnFinishedAt, context.now), { inferred: true });
    }
    return;
  }
  for (const call of program.openToolCalls.values()) {
    learnDuration(context, program, call.tool, between(call.startedAt, context.now), { inferred: true });
  }
  program.openToolCalls.clear();
};

const learnDuration = (
  context: Context,
  program: ProgramRecord,
  tool: string,
  duration: Duration,
  { inferred }: { readonly inferred: boolean },
): void => learn(context, { type: 'toolCallEnded', program, tool, duration, inferred });
