import type { Context } from './context.js';
import { livePin, type EngineRecord, type ProgramRecord, type TurnRecord } from './state.js';

/** Pure. The engine that holds the program's KV and takes work, if there is one. */
export const homeEngine = (context: Context, program: ProgramRecord): EngineRecord | null => {
  if (program.home === null) return null;
  const engine = context.state.engines.get(program.home.engineId);
  if (engine === undefined || engine.draining || engine.description.epoch !== program.home.epoch) return null;
  return engine;
};

/** Modifies state. Puts a turn into the queue of its home engine, or into the shared one. */
export const enqueue = (context: Context, turn: TurnRecord): void => {
  turn.state = 'queued';
  turn.rank = rankOf(context, turn);
  turn.queue = homeEngine(context, turn.program)?.queue ?? context.state.sharedQueue;
  turn.queue.push(turn);
  context.state.queuedTurns += 1;
};

/** Modifies state. Takes a queued turn out of its queue. */
export const dequeue = (context: Context, turn: TurnRecord): void => {
  turn.queue?.remove(turn);
  turn.queue = null;
  context.state.queuedTurns -= 1;
};

/** Modifies state. Turns that waited for this engine may run anywhere from now on. */
export const releaseQueue = (context: Context, engine: EngineRecord): void => {
  for (const turn of engine.queue.drain()) {
    turn.rank = rankOf(context, turn);
    turn.queue = context.state.sharedQueue;
    turn.queue.push(turn);
  }
};

/** Modifies state. The program's pin changed, so its waiting turn may rank differently. */
export const refreshRank = (context: Context, program: ProgramRecord): void => {
  const turn = program.turn;
  if (turn === null || turn.queue === null) return;
  const rank = rankOf(context, turn);
  if (rank === turn.rank) return;
  turn.rank = rank;
  turn.queue.reorder(turn);
};

/** Pure. */
export const rankOf = (context: Context, turn: TurnRecord): number =>
  context.options.profile.ordering.rank({
    turnSubmittedAt: turn.submittedAt,
    programArrivedAt: turn.program.arrivedAt,
    isPinned: livePin(turn.program, context.now) !== null,
  });
