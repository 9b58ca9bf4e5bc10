import { prefillSeconds } from '../model/engine.js';
import { between, micros, seconds } from '../model/units.js';
import { decide, emit, learn, resolve, timerKeys, type Context } from './context.js';
import { dispatchWaiting, leaveEngine } from './dispatching.js';
import type { TurnCancelled, TurnFailed, TurnFinished, TurnStarted, TurnSubmitted } from './event.js';
import { admitOrDefer, dequeue, enqueue, releaseDeferred } from './queueing.js';
import { adoptPinOfTurn, forgetPin, holdWhileWaiting } from './retention.js';
import { growContext, type ProgramRecord, type TurnRecord } from './state.js';
import { hastenTick } from './ticks.js';
import { closeOpenToolCalls } from './tool-calls.js';

/** What a caller is told to wait when the queue is full. */
const QUEUE_FULL_RETRY = seconds(1);

/** Below this share of its context cached, a returning turn counts as evicted. */
const EVICTED_BELOW_SHARE = 0.5;

/** Modifies state. */
export const submitTurn = (context: Context, event: TurnSubmitted): void => {
  const { state } = context;
  const program = state.programs.get(event.programId);
  if (program === undefined || program.turn !== null) {
    // The edge checks both before it posts; whoever still waits for this turn must not wait for ever.
    const reason = program === undefined ? 'PROGRAM_ENDED' : 'TURN_RUNNING';
    if (!state.turns.has(event.turnId)) emit(context, { type: 'rejectTurn', turnId: event.turnId, reason });
    return;
  }
  state.counters.turnsSubmitted += 1;
  program.lastActivityAt = context.now;
  closeOpenToolCalls(context, program);
  if (state.queuedTurns + state.deferred.size >= context.options.maxQueuedTurns) {
    reject(context, event);
    return;
  }
  const turn: TurnRecord = {
    turnId: event.turnId,
    program,
    index: program.turnsFinished,
    sequence: state.nextTurnSequence,
    submittedAt: context.now,
    promptTokens: event.promptTokens,
    sharedTokens: event.sharedTokens,
    maxOutputTokens: event.maxOutputTokens,
    isLast: event.isLast,
    state: 'queued',
    rank: 0,
    queue: null,
    queuedAt: context.now,
    isPlaced: false,
    heapIndex: -1,
    engineId: null,
    dispatchedAt: null,
    startedAt: null,
    hold: null,
    holdChange: null,
    hasHoldTimer: false,
    hasUntoldRank: false,
  };
  state.nextTurnSequence += 1;
  program.turn = turn;
  state.turns.set(turn.turnId, turn);
  holdWhileWaiting(context, turn);
  context.state.idlePinned.delete(program);
  context.state.away.delete(program);
  admitOrDefer(context, turn);
  dispatchWaiting(context);
  if (isWaiting(turn)) hastenTick(context);
};

const reject = (context: Context, event: TurnSubmitted): void => {
  context.state.counters.turnsRejected += 1;
  decide(context, () => ({
    kind: 'rejection',
    policy: 'kernel.queue-bound',
    programId: event.programId,
    turnId: event.turnId,
    choice: 'reject',
    reason: 'the queue of the pool is full',
    inputs: { queuedTurns: context.state.queuedTurns, maxQueuedTurns: context.options.maxQueuedTurns },
  }));
  emit(context, { type: 'rejectTurn', turnId: event.turnId, reason: 'QUEUE_FULL', retryAfter: QUEUE_FULL_RETRY });
};

const isWaiting = (turn: TurnRecord): boolean => turn.state === 'queued' || turn.state === 'deferred';

/** Modifies state. */
export const startTurn = (context: Context, event: TurnStarted): void => {
  const turn = context.state.turns.get(event.turnId);
  if (turn === undefined || turn.state !== 'dispatched') return;
  const engine = turn.engineId === null ? undefined : context.state.engines.get(turn.engineId);
  turn.state = 'started';
  turn.startedAt = context.now;
  if (engine !== undefined) engine.unstarted -= 1;
  cancelHold(context, turn);
  dispatchWaiting(context);
};

/** Modifies state. */
export const finishTurn = (context: Context, event: TurnFinished): void => {
  const turn = context.state.turns.get(event.turnId);
  if (turn === undefined || isWaiting(turn)) return;
  const { program } = turn;
  const engine = leaveEngine(context, turn);
  observeRun(context, turn, event);
  // The engine's own `hit` event may have come first; then there is no pin to account for.
  forgetPin(context, program, event.cachedTokens > 0 ? 'hit' : 'lost');
  endTurn(context, turn);
  context.state.counters.turnsFinished += 1;
  program.turnsFinished += 1;
  program.attainedTokens += Math.max(0, event.promptTokens - event.cachedTokens) + event.outputTokens;
  program.lastTurnFinishedAt = context.now;
  program.gapHadToolCall = false;
  program.gapTold = micros(0);
  context.state.away.add(program);
  growContext(context.state, program, event.promptTokens + event.outputTokens);
  if (engine !== null) adoptPinOfTurn(context, turn, engine, event.pin);
  releaseDeferred(context);
  dispatchWaiting(context);
};

/** Modifies the policies' states. */
const observeRun = (context: Context, turn: TurnRecord, event: TurnFinished): void => {
  const engine = turn.engineId === null ? undefined : context.state.engines.get(turn.engineId);
  if (engine === undefined) return;
  const firstTokenAt = turn.startedAt ?? context.now;
  const uncached = Math.max(0, event.promptTokens - event.cachedTokens);
  const prefill = seconds(prefillSeconds(engine.description.prefillCost, uncached));
  learn(context, {
    type: 'turnRan',
    program: turn.program,
    turn,
    wasEvicted: turn.sharedTokens > 0 && event.cachedTokens < EVICTED_BELOW_SHARE * turn.sharedTokens,
    queueDelay: micros(Math.max(0, between(turn.submittedAt, firstTokenAt) - prefill)),
    uncachedTokens: uncached,
    outputTokens: event.outputTokens,
  });
};

/** Modifies state. A turn that lost its engine before any output waits again; any other failure ends it. */
export const failTurn = (context: Context, event: TurnFailed): void => {
  const turn = context.state.turns.get(event.turnId);
  if (turn === undefined || isWaiting(turn)) return;
  leaveEngine(context, turn);
  forgetHold(context, turn);
  if (event.mayRunElsewhere && turn.state === 'dispatched') {
    requeue(context, turn, event.reason);
  } else {
    context.state.counters.turnsFailed += 1;
    endTurn(context, turn);
  }
  releaseDeferred(context);
  dispatchWaiting(context);
};

/** Modifies state. */
export const requeue = (context: Context, turn: TurnRecord, reason: string): void => {
  turn.engineId = null;
  turn.dispatchedAt = null;
  turn.startedAt = null;
  emit(context, { type: 'requeuedTurn', turnId: turn.turnId, reason });
  enqueue(context, turn);
};

/** Modifies state. */
export const cancelTurn = (context: Context, event: TurnCancelled): void => {
  const turn = context.state.turns.get(event.turnId);
  if (turn === undefined) return;
  context.state.counters.turnsCancelled += 1;
  abandonTurn(context, turn);
  releaseDeferred(context);
  dispatchWaiting(context);
};

/** Modifies state. Takes a turn away from wherever it is. */
export const abandonTurn = (context: Context, turn: TurnRecord): void => {
  if (isWaiting(turn)) {
    dequeue(context, turn);
  } else {
    const engine = leaveEngine(context, turn);
    if (engine !== null) {
      emit(context, { type: 'abortTurn', turnId: turn.turnId, engineId: engine.description.engineId });
    }
    forgetHold(context, turn);
  }
  endTurn(context, turn);
};

/** The pin that should have come with the answer will not come. */
const forgetHold = (context: Context, turn: TurnRecord): void => {
  if (turn.hold === null) return;
  resolve(context, turn.hold.decisionId, 'lost');
  turn.hold = null;
};

const endTurn = (context: Context, turn: TurnRecord): void => {
  turn.program.turn = null;
  turn.program.lastActivityAt = context.now;
  context.state.turns.delete(turn.turnId);
  cancelHold(context, turn);
};

const cancelHold = (context: Context, turn: TurnRecord): void => {
  if (!turn.hasHoldTimer) return;
  turn.hasHoldTimer = false;
  emit(context, { type: 'cancelTimer', key: timerKeys.hold(turn.program.programId) });
};

/** Modifies state. A pin's hold timer is due: the turn still waits, so the pin is renewed. */
export const renewHold = (context: Context, program: ProgramRecord): void => {
  if (program.turn !== null && program.turn.state !== 'started') holdWhileWaiting(context, program.turn);
};
