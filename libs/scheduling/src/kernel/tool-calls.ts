import { between, micros, seconds, type Duration } from '../model/units.js';
import { learn, type Context } from './context.js';
import { dispatchWaiting } from './dispatching.js';
import type { ToolCallFinished, ToolCallStarted } from './event.js';
import { releaseDeferred } from './queueing.js';
import { holdForToolCall } from './retention.js';
import type { OpenToolCall, ProgramRecord } from './state.js';

/** Modifies state. */
export const startToolCall = (context: Context, event: ToolCallStarted): void => {
  const program = context.state.programs.get(event.programId);
  if (program === undefined || program.openToolCalls.has(event.toolCallId)) return;
  const { toolCallId, tool, timeout } = event;
  const startedAt = context.now;
  program.openToolCalls.set(toolCallId, { toolCallId, tool, startedAt, timeout: timeout ?? null, told: micros(0) });
  program.gapHadToolCall = true;
  program.lastActivityAt = context.now;
  // A tool that runs beside a turn leaves no gap to bridge.
  if (program.turn !== null) return;
  const wasPinned = program.pin !== null;
  holdForToolCall(context, program, timeout === undefined ? { tool } : { tool, toolTimeout: timeout });
  if (!wasPinned || program.pin !== null) return;
  // Its memory is free: others need not wait for a tick.
  releaseDeferred(context);
  dispatchWaiting(context);
};

/** Modifies state. */
export const finishToolCall = (context: Context, event: ToolCallFinished): void => {
  const program = context.state.programs.get(event.programId);
  const call = program?.openToolCalls.get(event.toolCallId);
  if (program === undefined || call === undefined) return;
  program.openToolCalls.delete(event.toolCallId);
  program.lastActivityAt = context.now;
  learnCall(context, program, call, { inferred: false });
};

/**
 * Modifies state. The next turn is here, so every tool call of the gap is over, whether its end was reported or not;
 * a gap without any report counts as one call of an unnamed tool.
 */
export const closeOpenToolCalls = (context: Context, program: ProgramRecord): void => {
  if (program.openToolCalls.size === 0) {
    if (program.lastTurnFinishedAt !== null && !program.gapHadToolCall) {
      const gap = { tool: '', startedAt: program.lastTurnFinishedAt, told: program.gapTold };
      learnCall(context, program, gap, { inferred: true });
    }
    return;
  }
  for (const call of program.openToolCalls.values()) {
    learnCall(context, program, call, { inferred: true });
  }
  program.openToolCalls.clear();
};

const learnCall = (
  context: Context,
  program: ProgramRecord,
  { tool, startedAt, told }: Pick<OpenToolCall, 'tool' | 'startedAt' | 'told'>,
  { inferred }: { readonly inferred: boolean },
): void => {
  const duration = between(startedAt, context.now);
  learn(context, { type: 'toolCallEnded', program, tool, duration, inferred, told });
};

/** What runs for less is not told before it has ended. */
const FIRST_TOLD = seconds(1);

/** Modifies state. Tells the policies how long the program's tool calls, or its gap without any, have lasted so far. */
export const tellRunning = (context: Context, program: ProgramRecord): void => {
  for (const call of program.openToolCalls.values()) {
    const elapsed = between(call.startedAt, context.now);
    if (!isWorthTelling(elapsed, call.told)) continue;
    learn(context, { type: 'toolCallRuns', program, tool: call.tool, elapsed, told: call.told });
    call.told = elapsed;
  }
  if (program.gapHadToolCall || program.lastTurnFinishedAt === null) return;
  const elapsed = between(program.lastTurnFinishedAt, context.now);
  if (!isWorthTelling(elapsed, program.gapTold)) return;
  learn(context, { type: 'toolCallRuns', program, tool: '', elapsed, told: program.gapTold });
  program.gapTold = elapsed;
};

const isWorthTelling = (elapsed: Duration, told: Duration): boolean => elapsed >= Math.max(FIRST_TOLD, 2 * told);
