import type { EngineDescription } from '../../model/engine.js';
import type { ProgramId } from '../../model/ids.js';
import { seconds } from '../../model/units.js';
import type { ProgramFacts } from '../facts.js';
import { idlenessOf, observeIdleness, type IdlenessState } from '../idleness.js';
import type { ParameterReader } from '../parameters.js';
import { isAnyDeferred, type AdmissionPolicy, type Candidate, type PoolFacts } from './admission-policy.js';
import { BUFFER_TOKENS, compareArrival, engineBooks, liveTokens, roomiestOf, type EngineBook } from './engine-books.js';
import { isCheckDue, type CheckState } from './periodic-check.js';

/** `leaving`: on the GPU until its turn has ended. */
type Tier = 'gpu' | 'leaving' | 'host' | 'waiting';

/** Who is promoted: all that fit, or those before the first that does not. */
export type MoriFit = 'any' | 'first';

export interface MoriState extends CheckState {
  readonly tiers: Map<ProgramId, Tier>;
  readonly idleness: IdlenessState;
}

/** Interval of the checks. */
const PERIOD = seconds(5);

/** Reads the parameter `fit`. */
export const readMori = (parameters: ParameterReader): AdmissionPolicy<MoriState> =>
  moriAdmission(parameters.choice('fit', 'any', ['any', 'first']));

/**
 * MORI (arXiv 2606.00866): programs are on the GPU, on the host of the engine that computed their KV, or waiting without
 * memory. Every 5 s: while an engine is charged for more than its pool, the idlest programs leave it, those whose tool
 * runs before those with a turn, which end it first; they go to the host if their context fits there, else they wait. Then
 * the room is given to programs with a turn: those on the host, the least idle first; then those that wait, returning
 * ones before new ones, the smallest context first.
 *
 * Choices. The paper was read as summarised by others. Whoever does not fit lets smaller ones pass (`fit=first`: nobody, on
 * that engine). Idleness starts at 0.5. A turn is admitted between two checks if
 * nobody is kept aside and its context fits, as in ThunderAgent, whose charge of 100 tokens a program is taken, too. If
 * nobody is on a GPU the first is promoted, however large. What a tier means for blocks is the engine's: it overwrites the
 * idlest contexts first (`retention.idlest-first`), and what it overwrites goes to its host memory. So a program that
 * leaves keeps its blocks until they are needed, and nothing is copied ahead of that. Placement is the pool's.
 */
export const moriAdmission = (fit: MoriFit): AdmissionPolicy<MoriState> => ({
  type: 'admission.mori',
  tickEvery: PERIOD,
  initialState: () => ({ tiers: new Map(), idleness: new Map(), nextCheckAt: null }),
  observe: (state, fact, now) => {
    observeIdleness(state.idleness, fact, now);
    if (fact.type === 'programEnded') state.tiers.delete(fact.program.programId);
  },
  adopt: (state, { programId }) => void state.tiers.set(programId, 'gpu'),
  admit: (state, candidate, pool) => admit(fit, state, candidate, pool),
  release: (state, deferred, pool) => {
    if (!isCheckDue(state, PERIOD, pool.now)) return [];
    demote(state, pool);
    return promote(fit, state, [...deferred], pool);
  },
});

/** Modifies `state`. */
const admit = (fit: MoriFit, state: MoriState, candidate: Candidate, pool: PoolFacts): boolean => {
  const { programId } = candidate.program;
  const isFirst = !isAnyDeferred(pool);
  const before = state.tiers.get(programId);
  // With deferred turns about, the check belongs to the tick, which can release them.
  if (isFirst && isCheckDue(state, PERIOD, pool.now)) demote(state, pool);
  const tier = state.tiers.get(programId);
  // Whoever has to leave with this turn under way ends it first.
  if (tier === 'gpu' || (tier === 'leaving' && before === 'gpu')) return true;
  if (tier === undefined) state.tiers.set(programId, 'waiting');
  if (tier === 'leaving') leave(state, candidate.program, pool);
  return isFirst && promote(fit, state, [candidate], pool).length > 0;
};

/** Modifies `state`. Takes programs off GPUs that are charged for more than they have. */
const demote = (state: MoriState, pool: PoolFacts): void => {
  for (const [programId, tier] of state.tiers) {
    const program = pool.programs.get(programId);
    if (tier === 'leaving' && program?.turn === null) leave(state, program, pool);
  }
  for (const book of engineBooks(on(state, ['gpu', 'leaving']), pool, whole)) relieve(state, book, pool);
};

/** Modifies `state`. The idlest leave one engine's GPU until the others fit. */
const relieve = (state: MoriState, { programs, remaining }: EngineBook, pool: PoolFacts): void => {
  const idlestFirst = programs.map((item) => ({
    ...item,
    idleness: idlenessOf(state.idleness, item.program, pool.now),
    isLeaving: tierOf(state, item.program) === 'leaving',
  }));
  idlestFirst.sort((a, b) => b.idleness - a.idleness || compareArrival(b.program, a.program));
  let excess = -remaining;
  for (const { charge, isLeaving } of idlestFirst) if (isLeaving) excess -= charge;
  for (const { program, charge } of idlestFirst) {
    if (excess <= 0 || program.turn !== null) continue;
    leave(state, program, pool);
    excess -= charge;
  }
  for (const { program, charge, isLeaving } of idlestFirst) {
    if (excess <= 0 || program.turn === null || isLeaving) continue;
    state.tiers.set(program.programId, 'leaving');
    excess -= charge;
  }
};

/** Modifies `state`. To the host of its engine if its context fits there, else it waits without memory. */
const leave = (state: MoriState, program: ProgramFacts, pool: PoolFacts): void => {
  const books = engineBooks(on(state, ['host']), pool, whole, hostTokens);
  const own = books.find(({ engineId }) => engineId === program.home?.engineId);
  const fits = own !== undefined && own.remaining >= program.contextTokens + BUFFER_TOKENS;
  state.tiers.set(program.programId, fits ? 'host' : 'waiting');
};

/** Modifies `state`. Gives the room on GPUs to programs with a turn. Returns them in order. */
const promote = (fit: MoriFit, state: MoriState, deferred: readonly Candidate[], pool: PoolFacts): ProgramId[] => {
  const onGpu = on(state, ['gpu', 'leaving']);
  const books = engineBooks(onGpu, pool, whole);
  const places = deferred.map(({ program }) => placeOf(state, program, pool)).sort(comparePlaces);
  const full = new Set<EngineBook>();
  const promoted: ProgramId[] = [];
  for (const { program, tier } of places) {
    const home = tier === 'host' ? books.find(({ engineId }) => engineId === program.home?.engineId) : undefined;
    const book = home === undefined || home.draining ? roomiestOf(books) : home;
    const tokens = liveTokens(program) + BUFFER_TOKENS;
    if (book === undefined || full.has(book)) continue;
    if (tokens > book.remaining && onGpu.length + promoted.length > 0) {
      if (fit === 'first') full.add(book);
      continue;
    }
    book.remaining -= tokens;
    state.tiers.set(program.programId, 'gpu');
    promoted.push(program.programId);
  }
  return promoted;
};

interface Place {
  readonly program: ProgramFacts;
  readonly tier: Tier;
  /** On the host, returning, new. */
  readonly group: 0 | 1 | 2;
  readonly idleness: number;
}

const placeOf = (state: MoriState, program: ProgramFacts, { now }: PoolFacts): Place => {
  const tier = tierOf(state, program);
  const group = tier === 'host' ? 0 : program.turnsFinished > 0 ? 1 : 2;
  return { program, tier, group, idleness: idlenessOf(state.idleness, program, now) };
};

const comparePlaces = (a: Place, b: Place): number =>
  a.group - b.group ||
  (a.group === 0 ? 0 : liveTokens(a.program) - liveTokens(b.program)) ||
  a.idleness - b.idleness ||
  compareArrival(a.program, b.program);

/** Pure. A program that is kept aside and unknown waits. */
const tierOf = ({ tiers }: MoriState, { programId }: ProgramFacts): Tier => tiers.get(programId) ?? 'waiting';

const on = ({ tiers }: MoriState, wanted: readonly Tier[]): readonly ProgramId[] =>
  [...tiers].flatMap(([programId, tier]) => (wanted.includes(tier) ? [programId] : []));

const whole = (): number => 1;

const hostTokens = ({ hostBlocks = 0, blockTokens }: EngineDescription): number => hostBlocks * blockTokens;
