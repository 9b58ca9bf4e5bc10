import type { EngineId, ProgramId } from '../../model/ids.js';
import { after, between, seconds, toSeconds, type Instant } from '../../model/units.js';
import { GrowthForecast } from '../../prediction/growth-forecast.js';
import { savedNumbers } from '../../statistics/saved.js';
import type { EngineFacts, PolicyFact, ProgramFacts } from '../facts.js';
import type { AdmissionPolicy, Candidate, PoolFacts } from './admission-policy.js';
import { WaitingLine } from './waiting-line.js';

export interface ExpectedGrowthParameters {
  /** Share of the growth expected of programs that run already which is kept free for them, 0 to 1. */
  readonly residentGrowth: number;
  /** How far a program may fall behind for its size: it can be overtaken for this many times its expected stay. */
  readonly stretch: number;
}

/**
 * Growth 0: programs end at different times, so what one will grow by another one will have left. Stretch 1: whoever
 * wants to stay for an hour lets those pass who want to stay for a minute and come within that hour.
 */
export const EXPECTED_GROWTH_DEFAULTS: ExpectedGrowthParameters = { residentGrowth: 0, stretch: 1 };

/** Half of this weighs the newest programs: some hundred of them. */
const STAY_WINDOW_TOKENS = 20_000_000;
/** However large a client says its program is: a day. */
const LONGEST_STAY_SECONDS = 86_400;

/** What a program that runs holds of an engine's memory. */
interface Claim {
  readonly engineId: EngineId;
  readonly tokens: number;
  /** First admission, or the last after its context was let go. */
  readonly since: Instant;
}

export interface ExpectedGrowthState {
  readonly forecast: GrowthForecast;
  readonly claims: Map<ProgramId, Claim>;
  /** Sum of the claims on each engine, tokens. */
  readonly claimed: Map<EngineId, number>;
  readonly waiting: WaitingLine;
  /** How long programs stayed since they were admitted, and which contexts they grew to: sums. */
  readonly stay: { seconds: number; tokens: number };
}

/**
 * A program starts when its expected final context fits, on one engine, beside what the programs that run there hold.
 * Started earlier it would fit, as new programs are small, and take memory from the others later, when that costs them a
 * rebuild: engines that admit whatever fits now tip into evicting everybody in turn.
 *
 * A program claims memory from its start to its end, except while nothing holds its context between two turns
 * (`contextReleased`); when it returns it waits for what it had. Its turns run on the engine where it claims.
 *
 * The line is in order of first arrival plus `stretch` times the time for which the program is expected to stay, or to
 * stay on, by its size hint or its class. So short programs pass long ones, but a program can be overtaken only by those
 * that arrive within that time after it: nobody starves. Whoever is first is admitted as soon as he fits, or when the
 * engine has nobody else. While everybody fits, nobody waits.
 *
 * A size hint orders, and does not claim: hints that are wrong by a factor must not idle memory.
 */
export const expectedGrowthAdmission = (
  parameters: ExpectedGrowthParameters,
): AdmissionPolicy<ExpectedGrowthState> => ({
  type: 'admission.expected-growth',
  initialState: () => ({
    forecast: new GrowthForecast(),
    claims: new Map(),
    claimed: new Map(),
    waiting: new WaitingLine(),
    stay: { seconds: 0, tokens: 0 },
  }),
  observe: (state, fact, now) => observe(parameters, state, fact, now),
  admit: (state, candidate, pool) => {
    const { program } = candidate;
    const claim = state.claims.get(program.programId);
    if (claim !== undefined && pool.engines.some((engine) => isOpen(engine, claim.engineId))) return true;
    dropClaim(state, program.programId);
    const rank = rankOf(parameters, state, candidate);
    if (state.waiting.isFirst(rank, program.programId) && tryAdmit(parameters, state, candidate, pool)) return true;
    state.waiting.add(rank, program.programId);
    return false;
  },
  release: (state, _deferred, pool) => {
    const released: ProgramId[] = [];
    for (let next = state.waiting.first; next !== undefined; next = state.waiting.first) {
      const program = pool.programs.get(next);
      // Cancelled, or ended.
      const turn = program?.turn;
      if (program !== undefined && turn?.state === 'deferred') {
        if (!tryAdmit(parameters, state, { program, turn }, pool)) break;
        released.push(next);
      }
      state.waiting.removeFirst();
    }
    return released;
  },
  placementOf: (state, programId) => state.claims.get(programId)?.engineId ?? null,
  memory: {
    save: ({ forecast, stay }) => ({ forecast: forecast.save(), stay: { ...stay } }),
    load: (state, { forecast, stay }) => {
      state.forecast.load(forecast);
      const known = savedNumbers(stay, ['seconds', 'tokens']);
      if (known !== undefined) Object.assign(state.stay, { seconds: known.seconds, tokens: known.tokens });
    },
  },
});

/** Pure. Place in the line: when the program arrived, later for those who will stay long. */
const rankOf = (
  { stretch }: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  { program, turn }: Candidate,
): Instant => {
  const { stay } = state;
  if (stay.tokens === 0) return program.arrivedAt;
  const done = program.turnsFinished === 0 ? 0 : turn.promptTokens;
  const tokensToGo = Math.max(0, sizeOf(state, program, turn.promptTokens) - done);
  const staySeconds = Math.min(LONGEST_STAY_SECONDS, (tokensToGo * stay.seconds) / stay.tokens);
  return after(program.arrivedAt, seconds(stretch * staySeconds));
};

const isOpen = (engine: EngineFacts, engineId: EngineId): boolean =>
  engine.description.engineId === engineId && !engine.draining;

/** Pure. Engines that do not tell their size have room for everybody. */
const capacityOf = ({ description }: EngineFacts): number =>
  description.totalBlocks === 0 ? Infinity : description.totalBlocks * description.blockTokens;

/** Modifies `state`: claims memory for the program where it may have it. */
const tryAdmit = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  candidate: Candidate,
  pool: PoolFacts,
): boolean => {
  const { home, programId } = candidate.program;
  const engines = pool.engines.filter((engine) => !engine.draining);
  // Without engines there is nothing to wait for here: the turn may as well wait in the pool's queue.
  if (engines.length === 0) return true;
  const atHome = engines.find(
    ({ description }) => description.engineId === home?.engineId && description.epoch === home.epoch,
  );
  const preferred = atHome === undefined ? [roomiest(state, engines)] : [atHome, roomiest(state, engines)];
  const chosen = preferred.find((engine) => fits(parameters, state, candidate, engine));
  if (chosen === undefined) return false;
  const { promptTokens } = candidate.turn;
  const growth = expectedFinal(state, candidate, chosen) - promptTokens;
  const tokens = promptTokens + parameters.residentGrowth * growth;
  setClaim(state, programId, { engineId: chosen.description.engineId, tokens, since: pool.now });
  return true;
};

/** Pure. A new program must find all of its expected growth, one that returns its context. */
const fits = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  candidate: Candidate,
  engine: EngineFacts,
): boolean => {
  const claimed = state.claimed.get(engine.description.engineId) ?? 0;
  if (claimed === 0) return true;
  const { promptTokens } = candidate.turn;
  const share = candidate.program.turnsFinished === 0 ? 1 : parameters.residentGrowth;
  const growth = expectedFinal(state, candidate, engine) - promptTokens;
  return claimed + promptTokens + share * growth <= capacityOf(engine);
};

/** Pure. */
const roomiest = (state: ExpectedGrowthState, engines: readonly EngineFacts[]): EngineFacts => {
  const roomOf = (engine: EngineFacts): number =>
    capacityOf(engine) - (state.claimed.get(engine.description.engineId) ?? 0);
  return engines.reduce((best, engine) => (roomOf(engine) > roomOf(best) ? engine : best));
};

const expectedFinal = ({ forecast }: ExpectedGrowthState, { program, turn }: Candidate, engine: EngineFacts): number =>
  forecast.expectedFinal(program.programClass, turn.promptTokens, capacityOf(engine));

/** Pure. Final context by the client's hint, else by what its class is like; tokens. */
const sizeOf = (
  { forecast }: ExpectedGrowthState,
  { programClass, expectedTokens }: ProgramFacts,
  contextTokens: number,
): number =>
  expectedTokens === null
    ? forecast.expectedFinal(programClass, contextTokens, Infinity)
    : Math.max(contextTokens, expectedTokens);

/** Modifies `state`. */
const grow = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  { program, turn, outputTokens }: Extract<PolicyFact, { readonly type: 'turnRan' }>,
  now: Instant,
): void => {
  const { programId, programClass, contextTokens, home } = program;
  const grown = turn.promptTokens + outputTokens;
  if (contextTokens === 0) state.forecast.grew(programClass, null, turn.promptTokens);
  state.forecast.grew(programClass, contextTokens === 0 ? turn.promptTokens : contextTokens, grown);
  const claim = state.claims.get(programId);
  const engineId = home?.engineId ?? claim?.engineId;
  if (engineId === undefined) return;
  const growth =
    parameters.residentGrowth === 0 ? 0 : state.forecast.expectedFinal(programClass, grown, Infinity) - grown;
  const tokens = grown + parameters.residentGrowth * growth;
  setClaim(state, programId, { engineId, tokens, since: claim?.since ?? now });
};

const observe = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  fact: PolicyFact,
  now: Instant,
): void => {
  const { programId, programClass, contextTokens } = fact.program;
  switch (fact.type) {
    case 'turnRan':
      grow(parameters, state, fact, now);
      return;
    case 'contextReleased':
      dropClaim(state, programId);
      return;
    case 'programEnded':
      if (contextTokens > 0) {
        state.forecast.ended(programClass, contextTokens);
        learnStay(state, { claim: state.claims.get(programId), contextTokens, now });
      }
      dropClaim(state, programId);
      return;
    case 'toolCallEnded':
  }
};

/** Modifies `state`. */
const learnStay = (
  { stay }: ExpectedGrowthState,
  ended: { readonly claim: Claim | undefined; readonly contextTokens: number; readonly now: Instant },
): void => {
  if (ended.claim === undefined) return;
  if (stay.tokens > STAY_WINDOW_TOKENS) {
    stay.tokens /= 2;
    stay.seconds /= 2;
  }
  stay.tokens += ended.contextTokens;
  stay.seconds += toSeconds(between(ended.claim.since, ended.now));
};

const setClaim = (state: ExpectedGrowthState, programId: ProgramId, claim: Claim): void => {
  dropClaim(state, programId);
  state.claims.set(programId, claim);
  state.claimed.set(claim.engineId, (state.claimed.get(claim.engineId) ?? 0) + claim.tokens);
};

const dropClaim = (state: ExpectedGrowthState, programId: ProgramId): void => {
  const claim = state.claims.get(programId);
  if (claim === undefined) return;
  state.claims.delete(programId);
  const left = (state.claimed.get(claim.engineId) ?? 0) - claim.tokens;
  // What is left of sums of fractions when nobody is there is no claim.
  if (left < 0.5) state.claimed.delete(claim.engineId);
  else state.claimed.set(claim.engineId, left);
};
