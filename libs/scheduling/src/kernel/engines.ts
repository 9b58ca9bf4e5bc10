import { emit, type Context } from './context.js';
import { dispatchWaiting, forgetHome } from './dispatching.js';
import type { EngineDraining, EngineJoined, EngineLost, EngineObserved, PinChanged } from './event.js';
import { refreshRank, releaseDeferred, releaseQueue } from './queueing.js';
import { forgetPin, releasePin } from './retention.js';
import type { EngineRecord, PinRecord, ProgramRecord, TurnRecord } from './state.js';
import { TurnQueue } from './turn-queue.js';
import { requeue } from './turns.js';

/** Modifies state. A new epoch of a known engine is a loss first. */
export const joinEngine = (context: Context, event: EngineJoined): void => {
  const { engineId } = event.engine;
  const known = context.state.engines.get(engineId);
  if (known !== undefined) dropEngine(context, known, 'ENGINE_RESTARTED');
  context.state.engines.set(engineId, {
    description: event.engine,
    draining: false,
    inFlight: new Map(),
    unstarted: 0,
    activeTokens: 0,
    homeTokens: 0,
    queue: new TurnQueue(),
    load: null,
    observedAt: null,
  });
  dispatchWaiting(context);
};

/** Modifies state. News of an older epoch change nothing. */
export const observeEngine = (context: Context, event: EngineObserved): void => {
  const engine = context.state.engines.get(event.engineId);
  if (engine === undefined || engine.description.epoch !== event.epoch) return;
  if (engine.observedAt !== null && event.observedAt < engine.observedAt) return;
  engine.load = event.load;
  engine.observedAt = event.observedAt;
};

/** Modifies state. */
export const drainEngine = (context: Context, event: EngineDraining): void => {
  const engine = context.state.engines.get(event.engineId);
  const isDraining = event.isDraining ?? true;
  if (engine === undefined || engine.draining === isDraining) return;
  engine.draining = isDraining;
  if (isDraining) {
    releasePinsOf(context, engine);
    releaseQueue(context, engine);
  }
  releaseDeferred(context);
  dispatchWaiting(context);
};

/** Modifies state. Nobody returns to an engine that drains; until it is gone, its cache may serve those whom it gets back. */
const releasePinsOf = (context: Context, { description }: EngineRecord): void => {
  for (const program of context.state.programs.values()) {
    const { pin } = program;
    const isHere = pin?.engineId === description.engineId && pin.epoch === description.epoch;
    // The pin of a turn that runs is about to be taken over, or was.
    if (isHere && program.turn?.engineId !== description.engineId) releasePin(context, program, 'released');
  }
};

/** Modifies state. */
export const loseEngine = (context: Context, event: EngineLost): void => {
  const engine = context.state.engines.get(event.engineId);
  if (engine === undefined) return;
  dropEngine(context, engine, event.reason);
  dispatchWaiting(context);
};

/**
 * Turns without output wait again. Turns that had started end through `turnFailed`, which the shell posts when the
 * engine call breaks; they are no longer counted here.
 */
const dropEngine = (context: Context, engine: EngineRecord, reason: string): void => {
  context.state.engines.delete(engine.description.engineId);
  releaseQueue(context, engine);
  forgetHome(context, engine);
  for (const turn of engine.inFlight.values()) {
    if (turn.state === 'dispatched') {
      turn.hold = null;
      requeue(context, turn, reason);
    }
  }
  engine.inFlight.clear();
};

/** Modifies state. The engine is the authority: what it says about a pin is taken over. */
export const changePin = (context: Context, event: PinChanged): void => {
  const engine = context.state.engines.get(event.engineId);
  if (engine === undefined || engine.description.epoch !== event.epoch) return;
  const { programId, engineId, epoch } = event;
  const program = context.state.programs.get(programId);
  if (program === undefined) {
    // A pin of a program that has ended must not outlive it.
    if (event.change === 'set') emit(context, { type: 'releasePin', programId, engineId, epoch });
    return;
  }
  noteHold(program.turn, event);
  if (program.pin?.engineId !== engineId || program.pin.epoch !== epoch) return;
  if (event.change === 'set' || event.change === 'renewed') confirmPin(context, program, program.pin, event);
  else forgetPin(context, program, event.change);
  if (program.pin !== null || program.turn !== null) return;
  releaseDeferred(context);
  dispatchWaiting(context);
};

/** Modifies state. A pin is set when its turn ends: what comes before that and was not set is the pin of the turn before. */
const noteHold = (turn: TurnRecord | null, { engineId, change }: PinChanged): void => {
  if (turn === null || turn.hold === null || turn.engineId !== engineId) return;
  if (change === 'set') turn.holdChange = change;
  else if (turn.holdChange !== null && (change === 'expired' || change === 'revoked')) turn.holdChange = change;
};

const confirmPin = (context: Context, program: ProgramRecord, pin: PinRecord, event: PinChanged): void => {
  if (pin.pinnedTokens === 0) context.state.counters.pinsSet += 1;
  pin.pinnedTokens = event.pinnedTokens;
  pin.expiresAt = event.expiresAt;
  if (program.turn !== null) refreshRank(context, program.turn);
};
