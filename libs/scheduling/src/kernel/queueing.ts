import type { TurnId } from '../model/ids.js';
import { emit, type Context } from './context.js';
import { livePin, type EngineRecord, type ProgramRecord, type TurnRecord } from './state.js';
import type { Candidate, PoolFacts } from '../policy/admission/admission-policy.js';

/** Pure. The engine that holds the turn's prefix and takes work, if there is one: a sub-agent's may be its parent's. */
const homeEngine = (context: Context, { program, sharedTokens }: TurnRecord): EngineRecord | null => {
  const parent = program.parentId === null ? undefined : context.state.programs.get(program.parentId);
  const home = program.home ?? (sharedTokens > 0 ? parent?.home : null) ?? null;
  if (home === null) return null;
  const engine = context.state.engines.get(home.engineId);
  if (engine === undefined || engine.draining || engine.description.epoch !== home.epoch) return null;
  return engine;
};

/** Pure. The engine on which the admission policy has kept memory for the program, if it says so and the engine takes work. */
const placedEngine = (context: Context, program: ProgramRecord): EngineRecord | null => {
  const engineId = context.options.profile.admission?.placementOf?.(context.policyStates.admission, program.programId);
  const engine = engineId === undefined || engineId === null ? undefined : context.state.engines.get(engineId);
  return engine === undefined || engine.draining ? null : engine;
};

/** Modifies state. The turn competes, unless the admission policy keeps it aside. */
export const admitOrDefer = (context: Context, turn: TurnRecord): void => {
  const { admission } = context.options.profile;
  if (admission === undefined || admission.admit(context.policyStates.admission, candidate(turn), poolFacts(context))) {
    enqueue(context, turn);
    return;
  }
  turn.state = 'deferred';
  context.state.deferred.set(turn.turnId, turn);
};

/** Modifies state. Asks the admission policy which of the deferred turns may compete now. */
export const releaseDeferred = (context: Context): void => {
  const { admission } = context.options.profile;
  const { deferred, programs } = context.state;
  if (admission === undefined || deferred.size === 0) return;
  for (const programId of admission.release(context.policyStates.admission, candidates(deferred), poolFacts(context))) {
    const turn = programs.get(programId)?.turn;
    if (turn?.state !== 'deferred') continue;
    deferred.delete(turn.turnId);
    enqueue(context, turn);
  }
};

/** Lazily: there may be thousands, and most policies look at the first few. */
const candidates = (deferred: ReadonlyMap<TurnId, TurnRecord>): Iterable<Candidate> => ({
  *[Symbol.iterator]() {
    for (const turn of deferred.values()) yield candidate(turn);
  },
});

const candidate = (turn: TurnRecord): Candidate => ({
  program: turn.program,
  turn,
});

const poolFacts = (context: Context): PoolFacts => ({
  engines: [...context.state.engines.values()],
  programs: context.state.programs,
  now: context.now,
});

/** Modifies state. Puts a turn into the queue of its home engine, or into the shared one. */
export const enqueue = (context: Context, turn: TurnRecord): void => {
  turn.state = 'queued';
  turn.rank = rankOf(context, turn);
  turn.hasUntoldRank = false;
  const placed = placedEngine(context, turn.program);
  turn.queuedAt = context.now;
  turn.isPlaced = placed !== null;
  turn.queue = (placed ?? homeEngine(context, turn))?.queue ?? context.state.sharedQueue;
  turn.queue.push(turn);
  context.state.queuedTurns += 1;
};

/** Modifies state. Takes a turn out of the queue, or from among the deferred. */
export const dequeue = (context: Context, turn: TurnRecord): void => {
  if (context.state.deferred.delete(turn.turnId)) return;
  turn.queue?.remove(turn);
  turn.queue = null;
  context.state.queuedTurns -= 1;
};

/**
 * Modifies state. The engine takes no work any more: turns that waited for it may run anywhere. Those whose memory was kept
 * there are admitted anew, in their order: the other engines must have room for them, or they would crowd others out.
 */
export const releaseQueue = (context: Context, engine: EngineRecord): void => {
  for (const turn of engine.queue.drain()) {
    if (turn.isPlaced) {
      context.state.queuedTurns -= 1;
      turn.queue = null;
      admitOrDefer(context, turn);
      continue;
    }
    turn.rank = rankOf(context, turn);
    turn.queue = context.state.sharedQueue;
    turn.queue.push(turn);
  }
};

/** Modifies state. Something that the order may depend on has changed; engines that take new ranks are told. */
export const refreshRank = (context: Context, turn: TurnRecord): void => {
  if (turn.state === 'deferred') return;
  const rank = rankOf(context, turn);
  if (rank === turn.rank) return;
  turn.rank = rank;
  if (turn.queue !== null) {
    turn.queue.reorder(turn);
    return;
  }
  const engine = turn.engineId === null ? undefined : context.state.engines.get(turn.engineId);
  if (engine === undefined || !engine.description.capabilities.reranks) return;
  // Alone, it has nobody to be ranked against: the call would disturb the engine for nothing.
  if (engine.inFlight.size === 1) turn.hasUntoldRank = true;
  else tellRank(context, engine, turn);
};

/** Modifies state. Another turn comes to the engine: from then on it matters how the one that is there ranks. */
export const tellUntoldRank = (context: Context, engine: EngineRecord): void => {
  if (engine.inFlight.size !== 1) return;
  for (const turn of engine.inFlight.values()) if (turn.hasUntoldRank) tellRank(context, engine, turn);
};

const tellRank = (context: Context, engine: EngineRecord, turn: TurnRecord): void => {
  const { engineId, epoch } = engine.description;
  const { turnId, program, rank } = turn;
  turn.hasUntoldRank = false;
  emit(context, { type: 'rerankTurn', turnId, programId: program.programId, engineId, epoch, rank });
};

/**
 * A step of priority outweighs all that orderings rank by: the offset of programs without a pin (2^51 microseconds), and
 * arrivals that are two years apart. Five priorities, -2 to 2, and the sums stay safe integers until 2037, as engines
 * need them.
 */
const PRIORITY_STEP = 2 ** 51 + 2 ** 46;

/** Pure. */
const rankOf = (context: Context, turn: TurnRecord): number =>
  -turn.program.priority * PRIORITY_STEP +
  context.options.profile.ordering.rank(context.policyStates.ordering, {
    program: turn.program,
    turn,
    isPinned: livePin(turn.program, context.now) !== null,
    now: context.now,
  });
