import { after } from '../model/units.js';
import { emit, timerKeys, type Context } from './context.js';
import { dispatchWaiting } from './dispatching.js';
import { refreshRank, releaseDeferred } from './queueing.js';
import { reconsider } from './retention.js';

/** Programs whose retention one tick reconsiders at most, so that a tick costs the same with any number of them. */
const RECONSIDERED_PER_TICK = 64;

/** While nobody waits nobody wants what is held: one tick in so many is enough to keep pins alive. */
const RELAXED_TICKS = 32;

/** Modifies state. Starts the ticks when a policy wants them and there is something to look at. */
export const keepTicking = (context: Context): void => {
  const { tickEvery } = context.options.profile;
  if (tickEvery === undefined || context.state.isTicking || context.state.programs.size === 0) return;
  context.state.isTicking = true;
  emit(context, { type: 'scheduleTimer', key: timerKeys.tick, at: after(context.now, tickEvery) });
};

/** Modifies state. Policies that look again at intervals do so now. */
export const tick = (context: Context): void => {
  const { profile } = context.options;
  context.state.isTicking = false;
  if (profile.ordering.tickEvery !== undefined) {
    for (const turn of context.state.turns.values()) refreshRank(context, turn);
  }
  if (profile.retention.tickEvery !== undefined && isDue(context)) reconsiderSome(context);
  releaseDeferred(context);
  dispatchWaiting(context);
  keepTicking(context);
};

/** Modifies state: counts the ticks. */
const isDue = ({ state }: Context): boolean => {
  state.ticks += 1;
  return state.queuedTurns + state.deferred.size > 0 || state.ticks % RELAXED_TICKS === 0;
};

const reconsiderSome = (context: Context): void => {
  const { idlePinned } = context.state;
  let looked = 0;
  // A set iterates in order of insertion, so taking one out and putting it back goes round.
  for (const program of idlePinned) {
    if (looked >= Math.min(RECONSIDERED_PER_TICK, idlePinned.size)) break;
    looked += 1;
    idlePinned.delete(program);
    idlePinned.add(program);
    reconsider(context, program);
  }
};
