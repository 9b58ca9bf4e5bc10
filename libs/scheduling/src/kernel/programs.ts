import { after, micros } from '../model/units.js';
import { emit, learn, timerKeys, type Context } from './context.js';
import { dispatchWaiting } from './dispatching.js';
import type { ProgramEnded, ProgramPrioritized, ProgramStarted } from './event.js';
import { refreshRank, releaseDeferred } from './queueing.js';
import { releasePin } from './retention.js';
import { moveHome, type ProgramRecord } from './state.js';
import { keepTicking } from './ticks.js';
import { abandonTurn } from './turns.js';

/** Modifies state. */
export const startProgram = (context: Context, event: ProgramStarted): void => {
  if (context.state.programs.has(event.programId)) return;
  const parent = event.parentId === undefined ? null : (context.state.programs.get(event.parentId) ?? null);
  const program: ProgramRecord = {
    programId: event.programId,
    tenantId: event.tenantId,
    programClass: event.programClass,
    arrivedAt: parent?.arrivedAt ?? event.arrivedAt,
    parentId: parent?.programId ?? null,
    childIds: new Set(),
    idleLimit: event.idleLimit,
    expectedTurns: event.expectedTurns ?? null,
    expectedTokens: event.expectedTokens ?? null,
    priority: event.priority ?? 0,
    contextTokens: event.contextTokens,
    turnsFinished: event.turnsFinished,
    attainedTokens: 0,
    turn: null,
    openToolCalls: new Map(),
    home: null,
    pin: null,
    lastTurnFinishedAt: null,
    gapHadToolCall: false,
    gapTold: micros(0),
    lastActivityAt: context.now,
  };
  context.state.programs.set(event.programId, program);
  parent?.childIds.add(program.programId);
  emit(context, {
    type: 'scheduleTimer',
    key: timerKeys.idle(event.programId),
    at: after(context.now, event.idleLimit),
  });
  keepTicking(context);
};

/** Modifies state. A turn that waits changes its place; one that admission keeps aside does with its next turn. */
export const prioritizeProgram = (context: Context, event: ProgramPrioritized): void => {
  const program = context.state.programs.get(event.programId);
  if (program === undefined) return;
  program.priority = event.priority;
  if (program.turn !== null) refreshRank(context, program.turn);
};

/** Modifies state. Releases everything that is held for the program. */
export const endProgram = (context: Context, event: ProgramEnded): void => {
  const program = context.state.programs.get(event.programId);
  if (program === undefined) return;
  if (program.turn !== null) {
    context.state.counters.turnsCancelled += 1;
    abandonTurn(context, program.turn);
  }
  releasePin(context, program, 'released');
  moveHome(context.state, program, null);
  context.state.programs.delete(program.programId);
  leaveFamily(context, program);
  emit(context, { type: 'cancelTimer', key: timerKeys.idle(program.programId) });
  context.state.idlePinned.delete(program);
  context.state.away.delete(program);
  learn(context, { type: 'programEnded', program, completed: event.outcome === 'completed' });
  releaseDeferred(context);
  dispatchWaiting(context);
};

/** Modifies state. Its children go on as programs of their own; its parent may be silent for its idle limit from now on. */
const leaveFamily = ({ state, now }: Context, { programId, parentId, childIds }: ProgramRecord): void => {
  for (const childId of childIds) {
    const child = state.programs.get(childId);
    if (child !== undefined) child.parentId = null;
  }
  const parent = parentId === null ? undefined : state.programs.get(parentId);
  if (parent === undefined) return;
  parent.childIds.delete(programId);
  parent.lastActivityAt = now;
};

/**
 * Modifies nothing but timers. Ends a program that was silent too long; otherwise looks again later. Who waits for a child
 * is not silent: the child's own idle limit bounds that.
 */
export const checkIdle = (context: Context, program: ProgramRecord): void => {
  const isBusy = program.turn !== null || program.childIds.size > 0;
  const endsAt = after(isBusy ? context.now : program.lastActivityAt, program.idleLimit);
  if (endsAt <= context.now) {
    emit(context, { type: 'endProgram', programId: program.programId, outcome: 'timedOut' });
    return;
  }
  emit(context, { type: 'scheduleTimer', key: timerKeys.idle(program.programId), at: endsAt });
};
