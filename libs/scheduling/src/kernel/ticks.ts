import { after, millis } from '../model/units.js';
import { emit, timerKeys, type Context } from './context.js';
import { dispatchWaiting } from './dispatching.js';
import { refreshRank, releaseDeferred } from './queueing.js';
import { reconsider } from './retention.js';
import type { ProgramRecord } from './state.js';
import { tellRunning } from './tool-calls.js';

/** Programs that one tick looks at for one purpose at most, so that it costs the same with any number of them. */
const LOOKED_AT_PER_TICK = 64;

/** While nobody waits nobody wants what is held: one tick in so many is enough to keep pins alive. */
const RELAXED_TICKS = 32;

/** Modifies state. Starts the ticks when a policy wants them and there is something to look at. */
export const keepTicking = (context: Context): void => {
  const { tickEvery } = context.options.profile;
  if (tickEvery === undefined || context.state.isTicking || context.state.programs.size === 0) return;
  context.state.isTicking = true;
  emit(context, { type: 'scheduleTimer', key: timerKeys.tick, at: after(context.now, tickEvery) });
};

/** A pin that was free while nobody waited may be worth less than who waits now: that is found out so soon. */
const HASTE = millis(10);

/** Modifies state. The first turn waits: the next tick comes early. */
export const hastenTick = (context: Context): void => {
  const { state, options } = context;
  if (state.queuedTurns + state.deferred.size !== 1 || state.idlePinned.size === 0) return;
  if (options.profile.retention.tickEvery === undefined || state.isTickHastened) return;
  state.isTicking = true;
  state.isTickHastened = true;
  emit(context, { type: 'scheduleTimer', key: timerKeys.tick, at: after(context.now, HASTE) });
};

/** Modifies state. Policies that look again at intervals do so now. */
export const tick = (context: Context): void => {
  const { profile } = context.options;
  context.state.isTicking = false;
  context.state.isTickHastened = false;
  if (profile.ordering.tickEvery !== undefined) {
    for (const turn of context.state.turns.values()) refreshRank(context, turn);
  }
  someOf(context.state.away, (program) => tellRunning(context, program));
  if (profile.retention.tickEvery !== undefined && isDue(context)) {
    someOf(context.state.idlePinned, (program) => reconsider(context, program));
  }
  releaseDeferred(context);
  dispatchWaiting(context);
  keepTicking(context);
};

/** Modifies state: counts the ticks. */
const isDue = ({ state }: Context): boolean => {
  state.ticks += 1;
  return state.queuedTurns + state.deferred.size > 0 || state.ticks % RELAXED_TICKS === 0;
};

/** Modifies the set's order: a set iterates in order of insertion, so taking one out and putting it back goes round. */
const someOf = (programs: Set<ProgramRecord>, look: (program: ProgramRecord) => void): void => {
  let left = Math.min(LOOKED_AT_PER_TICK, programs.size);
  for (const program of programs) {
    if (left === 0) break;
    left -= 1;
    programs.delete(program);
    programs.add(program);
    look(program);
  }
};
