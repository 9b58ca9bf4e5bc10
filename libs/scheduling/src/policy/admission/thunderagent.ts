import type { ProgramId } from '../../model/ids.js';
import { between, seconds, toSeconds } from '../../model/units.js';
import type { PolicyFact, ProgramFacts } from '../facts.js';
import type { ParameterReader } from '../parameters.js';
import { isAnyDeferred, type AdmissionPolicy, type Candidate, type PoolFacts } from './admission-policy.js';
import { BUFFER_TOKENS, compareArrival, engineBooks, liveTokens, type EngineBook } from './engine-books.js';
import { isCheckDue, type CheckState } from './periodic-check.js';

export interface ThunderagentParameters {
  /** The published code to the letter: once nothing is left to pause, every running program is marked at once. */
  readonly isLiteral: boolean;
  /** The paper's overload: a context whose tool has run for t seconds weighs 2^-t. The code counts it whole. */
  readonly hasDecay: boolean;
}

/** Interval of the checks. */
const PERIOD = seconds(5);
/** Whoever has waited for this long runs, whatever the load. */
const FORCED_RESUME_SECONDS = 1_800;

/** `marked`: runs its turn to the end and is paused then. */
type ProgramStatus = 'active' | 'marked' | 'paused';

export interface ThunderagentState extends CheckState {
  readonly programs: Map<ProgramId, ProgramStatus>;
}

/** Reads the parameters `literal` and `decay`. */
export const readThunderagent = (parameters: ParameterReader): AdmissionPolicy<ThunderagentState> =>
  thunderagentAdmission({ isLiteral: parameters.flag('literal'), hasDecay: parameters.flag('decay') });

/**
 * ThunderAgent (arXiv 2602.13692): whole programs are paused while the contexts of all that are active exceed an
 * engine's KV pool. Every 5 s: resume what fits (returning turns, then new programs, then those whose tool still runs;
 * small contexts first, up to the first that does not fit), then pause while an engine is over its capacity (programs
 * whose tool runs first, smallest context first; then programs with a turn are marked, smallest first, and pause when
 * it ends). A new program is active at once only if nobody is paused and some engine has room. After 1,800 s of waiting
 * a turn runs in any case. Each program is charged 100 tokens on top.
 *
 * Choices. A paused program's next turn is deferred; its KV is counted as lost but left to the engine's cache. Marking
 * stops when the marked contexts cover the excess, which the published code forgets (`literal=yes`). If nobody is
 * active the first that waits is resumed, however large (not with `literal=yes`). Placement is the pool's: a program
 * counts where its KV lies or, before its first turn, where most room is. Contexts are known in tokens, so nothing is
 * estimated from text; output so far of a running turn is not counted. A check that finds no turn to release is made
 * up for when the next turn comes. An engine that does not tell its size has room for everybody.
 */
export const thunderagentAdmission = (parameters: ThunderagentParameters): AdmissionPolicy<ThunderagentState> => ({
  type: 'admission.thunderagent',
  tickEvery: PERIOD,
  initialState: () => ({ programs: new Map(), nextCheckAt: null }),
  observe: (state, fact) => learn(state, fact),
  adopt: (state, { programId }) => void state.programs.set(programId, 'active'),
  admit: (state, candidate, pool) => admit(parameters, state, candidate, pool),
  release: (state, deferred, pool) => {
    if (!isCheckDue(state, PERIOD, pool.now)) return [];
    const resumed = new Set(check(parameters, state, pool));
    return [...deferred].map(({ program }) => program.programId).filter((programId) => resumed.has(programId));
  },
});

/** Modifies `state`. */
const learn = (state: ThunderagentState, fact: PolicyFact): void => {
  const { programId } = fact.program;
  if (fact.type === 'programEnded') state.programs.delete(programId);
  if (fact.type === 'turnRan' && state.programs.get(programId) === 'marked') state.programs.set(programId, 'paused');
};

const admit = (
  parameters: ThunderagentParameters,
  state: ThunderagentState,
  { program, turn }: Candidate,
  pool: PoolFacts,
): boolean => {
  // With deferred turns about, the check belongs to the tick, which can release them.
  if (!isAnyDeferred(pool) && isCheckDue(state, PERIOD, pool.now)) check(parameters, state, pool);
  const status = state.programs.get(program.programId);
  if (status === 'active') return true;
  if (status !== undefined) {
    state.programs.set(program.programId, 'paused');
    return false;
  }
  const isAnyPaused = [...state.programs.values()].includes('paused');
  const hasRoom = (book: EngineBook): boolean => !book.draining && book.remaining >= turn.promptTokens + BUFFER_TOKENS;
  const fits = !isAnyPaused && engineBooks(counted(state), pool, weightOf(parameters, pool)).some(hasRoom);
  state.programs.set(program.programId, fits ? 'active' : 'paused');
  return fits;
};

/** Pure. Programs that count: those that are not paused. */
const counted = ({ programs }: ThunderagentState): readonly ProgramId[] =>
  [...programs].flatMap(([programId, status]) => (status === 'paused' ? [] : [programId]));

/** Pure. Share of its context with which a program counts. */
const weightOf =
  ({ hasDecay }: ThunderagentParameters, { now }: PoolFacts) =>
  ({ turn, lastTurnFinishedAt }: ProgramFacts): number =>
    hasDecay && turn === null && lastTurnFinishedAt !== null ? 2 ** -toSeconds(between(lastTurnFinishedAt, now)) : 1;

/** Modifies `state`: one check. Returns the programs that were resumed, in order. */
const check = (parameters: ThunderagentParameters, state: ThunderagentState, pool: PoolFacts): ProgramId[] => {
  for (const [programId, status] of state.programs) {
    // Its turn failed or was cancelled, which no fact tells.
    const turn = pool.programs.get(programId)?.turn;
    if (status === 'marked' && (turn === null || turn === undefined)) state.programs.set(programId, 'paused');
  }
  const resumed = resume(parameters, state, pool);
  for (const book of engineBooks(counted(state), pool, weightOf(parameters, pool))) pause(parameters, state, book);
  return resumed;
};

/** Modifies `state`. */
const resume = (parameters: ThunderagentParameters, state: ThunderagentState, pool: PoolFacts): ProgramId[] => {
  const waiting = [...pool.programs.values()].filter(({ programId }) => state.programs.get(programId) === 'paused');
  if (waiting.length === 0) return [];
  waiting.sort((a, b) => groupOf(a) - groupOf(b) || liveTokens(a) - liveTokens(b) || compareArrival(a, b));
  const books = engineBooks(counted(state), pool, weightOf(parameters, pool));
  let room = 0;
  for (const { remaining, draining } of books) if (!draining && remaining > BUFFER_TOKENS) room += remaining;
  let isIdle = !parameters.isLiteral && waiting.length === state.programs.size && books.length > 0;
  let isFull = false;
  const resumed: ProgramId[] = [];
  for (const program of waiting) {
    const tokens = liveTokens(program) + BUFFER_TOKENS;
    isFull ||= tokens > room;
    if (isFull && !isIdle && !hasWaitedTooLong(program, pool)) continue;
    room -= tokens;
    isIdle = false;
    state.programs.set(program.programId, 'active');
    resumed.push(program.programId);
  }
  return resumed;
};

/** Pure. Returning turns, then first turns, then programs whose tool still runs. */
const groupOf = ({ turn, turnsFinished }: ProgramFacts): number => (turn === null ? 2 : turnsFinished > 0 ? 0 : 1);

const hasWaitedTooLong = ({ turn }: ProgramFacts, { now }: PoolFacts): boolean =>
  turn !== null && toSeconds(between(turn.submittedAt, now)) >= FORCED_RESUME_SECONDS;

/** Modifies `state`. Pauses programs of one engine until those that stay fit. */
const pause = (parameters: ThunderagentParameters, state: ThunderagentState, book: EngineBook): void => {
  const smallestFirst = [...book.programs].sort(
    (a, b) => liveTokens(a.program) - liveTokens(b.program) || compareArrival(a.program, b.program),
  );
  let excess = -book.remaining;
  if (!parameters.isLiteral) {
    for (const { program, charge } of book.programs) {
      if (state.programs.get(program.programId) === 'marked') excess -= charge;
    }
  }
  for (const { program, charge } of smallestFirst) {
    if (excess <= 0) return;
    if (program.turn !== null) continue;
    state.programs.set(program.programId, 'paused');
    excess -= charge;
  }
  for (const { program, charge } of smallestFirst) {
    if (excess <= 0) return;
    if (program.turn === null || state.programs.get(program.programId) === 'marked') continue;
    state.programs.set(program.programId, 'marked');
    if (!parameters.isLiteral) excess -= charge;
  }
};
