/**
 * Late binding. A turn waits here, not in an engine, until an engine has fewer than `dispatchWindow` turns without a
 * first token. So order is decided in one place, a stock engine obeys it too, and an engine never starves while work
 * that it may run waits (I8).
 *
 * A turn whose KV lies on an engine waits for that engine. Another engine that has nothing else to do takes it once it
 * has waited for as long as rebuilding its KV there would take: from then on waiting costs more than moving.
 */
import { prefillSeconds } from '../model/engine.js';
import { after, between, seconds, toSeconds, type Instant } from '../model/units.js';
import { decide, emit, timerKeys, type Context } from './context.js';
import { dequeue, tellUntoldRank } from './queueing.js';
import { forgetPin, holdAtDispatch, releasePin } from './retention.js';
import { moveHome, type EngineRecord, type ProgramRecord, type TurnRecord } from './state.js';
import { compareTurns } from './turn-queue.js';

/** Modifies state. Sends turns to engines while there is room. */
export const dispatchWaiting = (context: Context): void => {
  if (context.state.queuedTurns === 0) return;
  for (;;) {
    const next = bestCandidate(context);
    if (next === null) break;
    dispatch(context, next.turn, next.engine);
  }
  if (context.state.queuedTurns > 0) moveOverdue(context);
};

interface Candidate {
  readonly turn: TurnRecord;
  readonly engine: EngineRecord;
}

const hasRoom = (context: Context, engine: EngineRecord): boolean =>
  !engine.draining &&
  engine.unstarted < context.options.dispatchWindow &&
  (engine.description.maxRunningRequests === 0 || engine.inFlight.size < engine.description.maxRunningRequests);

/** Pure. The waiting turn of best rank that some engine may take now. */
const bestCandidate = (context: Context): Candidate | null => {
  let best: Candidate | null = null;
  let roomiest: EngineRecord | null = null;
  for (const engine of context.state.engines.values()) {
    if (!hasRoom(context, engine)) continue;
    if (roomiest === null || claimedShare(engine) < claimedShare(roomiest)) roomiest = engine;
    const turn = engine.queue.peek();
    if (turn !== undefined && (best === null || compareTurns(turn, best.turn) < 0)) best = { turn, engine };
  }
  const shared = context.state.sharedQueue.peek();
  if (shared !== undefined && roomiest !== null && (best === null || compareTurns(shared, best.turn) < 0)) {
    best = { turn: shared, engine: roomiest };
  }
  return best;
};

/** Pure. Context tokens that live programs would like to keep on the engine, per token of its pool. */
const claimedShare = (engine: EngineRecord): number =>
  engine.homeTokens / Math.max(1, engine.description.totalBlocks * engine.description.blockTokens);

/** Modifies state. Moves turns whose wait exceeds their reload to engines that have nothing to do otherwise. */
const moveOverdue = (context: Context): void => {
  let earliest: Instant | null = null;
  for (const idle of context.state.engines.values()) {
    while (hasRoom(context, idle)) {
      const overdue = mostOverdue(context, idle);
      if (overdue === null) break;
      if (overdue.movesAt > context.now) {
        if (earliest === null || overdue.movesAt < earliest) earliest = overdue.movesAt;
        break;
      }
      context.state.counters.turnsMoved += 1;
      dispatch(context, overdue.turn, idle);
    }
  }
  if (earliest !== null) emit(context, { type: 'scheduleTimer', key: timerKeys.move, at: earliest });
};

/** Pure. Among the heads of the other engines' queues, the one that may move to `idle` first. */
const mostOverdue = (
  context: Context,
  idle: EngineRecord,
): { readonly turn: TurnRecord; readonly movesAt: Instant } | null => {
  let best: { readonly turn: TurnRecord; readonly movesAt: Instant } | null = null;
  for (const engine of context.state.engines.values()) {
    if (engine === idle || hasRoom(context, engine)) continue;
    const turn = engine.queue.peek();
    // Memory is kept for it where it is placed: only an engine that would stand still takes it.
    if (turn === undefined || (turn.isPlaced && idle.inFlight.size > 0)) continue;
    const reloadSeconds = prefillSeconds(idle.description.prefillCost, turn.sharedTokens);
    const movesAt = after(turn.queuedAt, seconds(reloadSeconds));
    if (best === null || movesAt < best.movesAt) best = { turn, movesAt };
  }
  return best;
};

/** Pure. A policy that looks at ranks again wants them changed inside the engine, too. */
const rankLowering = (context: Context, engine: EngineRecord): string | undefined =>
  context.options.profile.ordering.tickEvery === undefined || engine.description.capabilities.reranks
    ? undefined
    : 'the engine takes no new ranks: once there, the turn keeps its place';

/** Pure. Why the turn runs on another engine than the one that computed its context; null when it does not. */
const moveOf = (context: Context, { home }: ProgramRecord, engine: EngineRecord): string | null => {
  if (home === null || home.engineId === engine.description.engineId) return null;
  if (context.state.engines.get(home.engineId)?.draining === true) return 'its own engine drains';
  return 'its own engine has no memory for it, or the wait there exceeds the reload';
};

/** Modifies state. */
const dispatch = (context: Context, turn: TurnRecord, engine: EngineRecord): void => {
  const { program } = turn;
  const { engineId, epoch } = engine.description;
  dequeue(context, turn);
  tellUntoldRank(context, engine);
  const rank = turn.rank;
  if (program.pin !== null && (program.pin.engineId !== engineId || program.pin.epoch !== epoch)) {
    releasePin(context, program, 'released');
  }
  const move = moveOf(context, program, engine);
  moveHome(context.state, program, engine);
  turn.state = 'dispatched';
  turn.engineId = engineId;
  turn.dispatchedAt = context.now;
  engine.inFlight.set(turn.turnId, turn);
  engine.unstarted += 1;
  engine.activeTokens += turn.promptTokens;
  decide(context, () => ({
    kind: 'dispatch',
    policy: context.options.profile.ordering.type,
    programId: program.programId,
    turnId: turn.turnId,
    engineId,
    choice: move === null ? 'dispatch' : 'move',
    reason: move ?? 'first of those an engine has room for',
    inputs: {
      rank,
      waitedSeconds: toSeconds(between(turn.submittedAt, context.now)),
      promptTokens: turn.promptTokens,
      // What was computed for it before and is not here, as far as the kernel knows.
      reloadSeconds: move === null ? 0 : prefillSeconds(engine.description.prefillCost, turn.sharedTokens),
      isPinned: program.pin !== null,
      queuedTurns: context.state.queuedTurns,
      engineUnstarted: engine.unstarted,
    },
    lowering: rankLowering(context, engine),
  }));
  const { terms, bid } = holdAtDispatch(context, turn, engine);
  emit(context, {
    type: 'dispatchTurn',
    turnId: turn.turnId,
    programId: program.programId,
    engineId,
    epoch,
    hints: {
      programId: program.programId,
      turn: turn.index,
      programArrivedAt: program.arrivedAt,
      rank,
      bid,
      ...(terms === null ? {} : { pin: terms }),
      isLast: turn.isLast,
    },
  });
};

/** Modifies state. The turn is on no engine any more. */
export const leaveEngine = (context: Context, turn: TurnRecord): EngineRecord | null => {
  const engine = turn.engineId === null ? undefined : context.state.engines.get(turn.engineId);
  if (engine === undefined || !engine.inFlight.delete(turn.turnId)) return null;
  if (turn.state === 'dispatched') engine.unstarted -= 1;
  engine.activeTokens -= turn.promptTokens;
  return engine;
};

/** Modifies state. Forgets everything an engine held: it restarted or is gone. */
export const forgetHome = (context: Context, engine: EngineRecord): void => {
  for (const program of context.state.programs.values()) {
    if (program.home?.engineId !== engine.description.engineId) continue;
    if (program.home.epoch !== engine.description.epoch) continue;
    forgetPin(context, program, 'lost');
    program.home = null;
  }
};
