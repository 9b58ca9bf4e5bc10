import type { EngineId, ProgramId } from '../../model/ids.js';
import { after, between, seconds, toSeconds, type Instant } from '../../model/units.js';
import { GrowthForecast } from '../../prediction/growth-forecast.js';
import { SharedPrefixes } from '../../prediction/shared-prefixes.js';
import { savedNumbers } from '../../statistics/saved.js';
import type { EngineFacts, PolicyFact, ProgramFacts } from '../facts.js';
import type { AdmissionPolicy, Candidate, PoolFacts } from './admission-policy.js';
import { Claims, type Claim } from './claims.js';
import { poolTokens } from './engine-books.js';
import { TenantLines } from './tenant-lines.js';

export interface ExpectedGrowthParameters {
  /** Share of the growth expected of programs that run already which is kept free for them, 0 to 1. */
  readonly residentGrowth: number;
  /** How far a program may fall behind for its size: it can be overtaken for this many times its expected stay. */
  readonly stretch: number;
  /** The same for what its client's size hint says beyond what its class lets expect. */
  readonly hintStretch: number;
}

/**
 * Growth 0: programs end at different times, so what one will grow by another one will have left. Stretch 1: whoever
 * wants to stay for an hour lets those pass who want to stay for a minute and come within that hour. Hint stretch 4: a
 * client knows more of its program than the class does.
 */
export const EXPECTED_GROWTH_DEFAULTS: ExpectedGrowthParameters = { residentGrowth: 0, stretch: 1, hintStretch: 4 };

/** Half of this weighs the newest programs: some hundred of them. */
const STAY_WINDOW_TOKENS = 20_000_000;
/** Half of this weighs the newest turns. */
const GROWTH_WINDOW_TURNS = 10_000;
/** However large a client says its program is: a day. */
const LONGEST_STAY_SECONDS = 86_400;

export interface ExpectedGrowthState {
  readonly forecast: GrowthForecast;
  readonly claims: Claims;
  readonly prefixes: SharedPrefixes;
  readonly waiting: TenantLines;
  /** How long programs stayed since they were admitted, and which contexts they grew to: sums. */
  readonly stay: { seconds: number; tokens: number };
  /** By how much turns made contexts longer: sums. */
  readonly growth: { tokens: number; turns: number };
}

/**
 * A program starts when its expected final context fits, on one engine, beside what the programs that run there hold.
 * Started earlier it would fit, as new programs are small, and take memory from the others later, when that costs them a
 * rebuild: engines that admit whatever fits now tip into evicting everybody in turn.
 *
 * A program claims memory from its start to its end, except while nothing holds its context between two turns
 * (`contextReleased`); when it returns it waits for what it had. Its turns run on the engine where it claims.
 *
 * The line is in order of first arrival plus `stretch` times the time for which programs of the class are expected to stay,
 * or to stay on, plus `hintStretch` times what the size hint says beyond that (or short of it). So short programs pass long
 * ones, but a program can be overtaken only by those that arrive within a bounded time after it: nobody starves. A hint
 * that says what the class says changes nothing. Whoever is first is admitted as soon as he fits, or when the
 * engine has nobody else. While everybody fits, nobody waits.
 *
 * While several tenants have programs in the line, the tenant who claims least is next: see TenantLines.
 *
 * A size hint orders, and does not claim: hints that are wrong by a factor must not idle memory.
 */
export const expectedGrowthAdmission = (
  parameters: ExpectedGrowthParameters,
): AdmissionPolicy<ExpectedGrowthState> => ({
  type: 'admission.expected-growth',
  initialState: () => {
    const claims = new Claims();
    const waiting = new TenantLines((tenantId) => claims.ofTenant(tenantId));
    return {
      forecast: new GrowthForecast(),
      claims,
      prefixes: new SharedPrefixes(),
      waiting,
      stay: { seconds: 0, tokens: 0 },
      growth: { tokens: 0, turns: 0 },
    };
  },
  observe: (state, fact, now) => observe(parameters, state, fact, now),
  adopt: (state, { programId, tenantId, home, contextTokens, turn }, now) => {
    if (home === null) return;
    const tokens = Math.max(contextTokens, turn?.promptTokens ?? 0);
    state.claims.set(programId, { engineId: home.engineId, tenantId, tokens, finalTokens: tokens, since: now });
  },
  admit: (state, candidate, pool) => {
    const { program } = candidate;
    const claim = state.claims.of(program.programId);
    if (claim !== undefined && pool.engines.some((engine) => isOpen(engine, claim.engineId))) return true;
    state.claims.drop(program.programId);
    const { tenantId, programId, parentId } = program;
    const rank = rankOf(parameters, state, candidate);
    // Whoever waits for it holds memory meanwhile: it does not stand behind those who wait for that memory.
    const mayTry = parentId !== null || state.waiting.isNext(tenantId, rank, programId);
    if (mayTry && tryAdmit(parameters, state, candidate, pool)) return true;
    state.waiting.add(tenantId, rank, programId);
    return false;
  },
  release: (state, _deferred, pool) => {
    const released: ProgramId[] = [];
    for (let next = state.waiting.next; next !== undefined; next = state.waiting.next) {
      const { programId, tenantId } = next;
      const program = pool.programs.get(programId);
      // Cancelled, or ended.
      const turn = program?.turn;
      if (program !== undefined && turn?.state === 'deferred') {
        if (!tryAdmit(parameters, state, { program, turn }, pool)) break;
        released.push(programId);
      }
      state.waiting.removeFirst(tenantId);
    }
    return released;
  },
  placementOf: (state, programId) => state.claims.of(programId)?.engineId ?? null,
  memory: {
    save: ({ forecast, stay, growth }) => ({ forecast: forecast.save(), stay: { ...stay }, growth: { ...growth } }),
    load: (state, { forecast, stay, growth }) => {
      state.forecast.load(forecast);
      const known = savedNumbers(stay, ['seconds', 'tokens']);
      if (known !== undefined) Object.assign(state.stay, { seconds: known.seconds, tokens: known.tokens });
      const grown = savedNumbers(growth, ['tokens', 'turns']);
      if (grown !== undefined) Object.assign(state.growth, { tokens: grown.tokens, turns: grown.turns });
    },
  },
});

/** Pure. Place in the line: when the program arrived, later for those who will stay long. */
const rankOf = (
  { stretch, hintStretch }: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  { program, turn }: Candidate,
): Instant => {
  const { forecast, stay } = state;
  if (stay.tokens === 0) return program.arrivedAt;
  const done = program.turnsFinished === 0 ? 0 : turn.promptTokens;
  const staySeconds = (finalTokens: number): number =>
    Math.min(LONGEST_STAY_SECONDS, (Math.max(0, finalTokens - done) * stay.seconds) / stay.tokens);
  const ofClass = staySeconds(forecast.expectedFinal(program.programClass, turn.promptTokens, Infinity));
  const hinted = hintedFinal(state, program, turn.promptTokens);
  const beyond = hinted === null ? 0 : staySeconds(hinted) - ofClass;
  return after(program.arrivedAt, seconds(stretch * ofClass + hintStretch * beyond));
};

const isOpen = (engine: EngineFacts, engineId: EngineId): boolean =>
  engine.description.engineId === engineId && !engine.draining;

/** Pure. Engines that do not tell their size have room for everybody. */
const capacityOf = ({ description }: EngineFacts): number => poolTokens(description);

/** Pure. What a context of so many tokens has in common with those of its class, as a claim says it: not more than it has. */
const prefixOf = (
  { prefixes }: ExpectedGrowthState,
  program: ProgramFacts,
  contextTokens: number,
): Pick<Claim, 'prefix'> => {
  const group = groupOf(program);
  const tokens = Math.min(prefixes.tokensOf(group), contextTokens);
  return tokens === 0 ? {} : { prefix: { group, tokens } };
};

/** Pure. Tenants share no blocks. */
const groupOf = ({ tenantId, programClass }: ProgramFacts): string => `${tenantId}\n${programClass}`;

/** Pure. Where the turn's prefix lies: a sub-agent's may be part of its parent's context. */
const homeOf = ({ program, turn }: Candidate, pool: PoolFacts): ProgramFacts['home'] =>
  program.home ?? (turn.sharedTokens > 0 ? parentOf(program, pool)?.home : null) ?? null;

const parentOf = ({ parentId }: ProgramFacts, { programs }: PoolFacts): ProgramFacts | undefined =>
  parentId === null ? undefined : programs.get(parentId);

/** Modifies `state`: claims memory for the program where it may have it. */
const tryAdmit = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  candidate: Candidate,
  pool: PoolFacts,
): boolean => {
  const { programId, tenantId } = candidate.program;
  const home = homeOf(candidate, pool);
  const engines = pool.engines.filter((engine) => !engine.draining);
  // Without engines there is nothing to wait for here: the turn may as well wait in the pool's queue.
  if (engines.length === 0) return true;
  const atHome = engines.find(
    ({ description }) => description.engineId === home?.engineId && description.epoch === home.epoch,
  );
  const preferred = atHome === undefined ? [roomiest(state, engines)] : [atHome, roomiest(state, engines)];
  const chosen = preferred.find((engine) => fits(parameters, state, { candidate, engine, pool }));
  if (chosen === undefined) return false;
  const { promptTokens } = candidate.turn;
  const finalTokens = expectedFinal(state, candidate, chosen);
  const tokens = promptTokens + parameters.residentGrowth * (finalTokens - promptTokens);
  const { engineId } = chosen.description;
  const prefix = prefixOf(state, candidate.program, promptTokens);
  state.claims.set(programId, { engineId, tenantId, tokens, finalTokens, since: pool.now, ...prefix });
  return true;
};

/** Pure. A new program must find all of its expected growth, one that returns its context. */
const fits = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  where: { readonly candidate: Candidate; readonly engine: EngineFacts; readonly pool: PoolFacts },
): boolean => {
  const { candidate, engine, pool } = where;
  const { engineId } = engine.description;
  const claimed =
    state.claims.ofEngine(engineId) - lentByParent(state.claims, parentOf(candidate.program, pool), engineId);
  if (claimed <= 0) return true;
  const { promptTokens } = candidate.turn;
  const share = candidate.program.turnsFinished === 0 ? 1 : parameters.residentGrowth;
  const growth = expectedFinal(state, candidate, engine) - promptTokens;
  const { prefix } = prefixOf(state, candidate.program, promptTokens);
  const isThere = prefix !== undefined && state.claims.hasPrefix(engineId, prefix.group);
  const needed = promptTokens - (isThere ? prefix.tokens : 0);
  return claimed + needed + share * growth <= capacityOf(engine);
};

/**
 * Pure. Tokens on the engine that the program may use though its parent claims them: the parent runs again only when it has
 * ended. Otherwise parents that fill the memory would wait for children who wait for that memory.
 */
const lentByParent = (claims: Claims, parent: ProgramFacts | undefined, engineId: EngineId): number => {
  if (parent === undefined || parent.turn !== null) return 0;
  const claimOf = (programId: ProgramId): number => {
    const claim = claims.of(programId);
    return claim?.engineId === engineId ? claim.tokens : 0;
  };
  let lent = claimOf(parent.programId);
  for (const childId of parent.childIds) lent -= claimOf(childId);
  return Math.max(0, lent);
};

/** Pure. */
const roomiest = (state: ExpectedGrowthState, engines: readonly EngineFacts[]): EngineFacts => {
  const roomOf = (engine: EngineFacts): number =>
    capacityOf(engine) - state.claims.ofEngine(engine.description.engineId);
  return engines.reduce((best, engine) => (roomOf(engine) > roomOf(best) ? engine : best));
};

const expectedFinal = ({ forecast }: ExpectedGrowthState, { program, turn }: Candidate, engine: EngineFacts): number =>
  forecast.expectedFinal(program.programClass, turn.promptTokens, capacityOf(engine));

/** Pure. Final context by the client's hint, tokens; null without one, or while nothing is known of turns. */
const hintedFinal = (
  { growth }: ExpectedGrowthState,
  { expectedTokens, expectedTurns, turnsFinished }: ProgramFacts,
  contextTokens: number,
): number | null => {
  if (expectedTokens !== null) return Math.max(contextTokens, expectedTokens);
  if (expectedTurns === null || growth.turns === 0) return null;
  // The turn that waits has its prompt in `contextTokens` already.
  return contextTokens + (Math.max(0, expectedTurns - turnsFinished - 1) * growth.tokens) / growth.turns;
};

/** Modifies `state`. */
const grow = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  { program, turn, uncachedTokens, outputTokens }: Extract<PolicyFact, { readonly type: 'turnRan' }>,
  now: Instant,
): void => {
  const { programId, tenantId, programClass, home } = program;
  const isFirst = program.turnsFinished === 0 && program.parentId === null;
  if (isFirst) state.prefixes.learn(groupOf(program), turn.promptTokens - uncachedTokens);
  const grown = turn.promptTokens + outputTokens;
  learnGrowth(state, program, { promptTokens: turn.promptTokens, grown });
  const claim = state.claims.of(programId);
  const engineId = home?.engineId ?? claim?.engineId;
  if (engineId === undefined) return;
  const growth =
    parameters.residentGrowth === 0 ? 0 : state.forecast.expectedFinal(programClass, grown, Infinity) - grown;
  const tokens = grown + parameters.residentGrowth * growth;
  state.claims.set(programId, {
    engineId,
    tenantId,
    tokens,
    finalTokens: claim?.finalTokens ?? tokens,
    since: claim?.since ?? now,
    ...prefixOf(state, program, grown),
  });
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
      state.claims.drop(programId);
      return;
    case 'programEnded':
      if (contextTokens > 0) {
        state.forecast.ended(programClass, contextTokens);
        learnStay(state, { claim: state.claims.of(programId), contextTokens, now });
      }
      state.claims.drop(programId);
      return;
    case 'toolCallEnded':
    case 'toolCallRuns':
  }
};

/** Modifies `state`. */
const learnGrowth = (
  { forecast, growth }: ExpectedGrowthState,
  { programClass, contextTokens }: ProgramFacts,
  { promptTokens, grown }: { readonly promptTokens: number; readonly grown: number },
): void => {
  if (contextTokens === 0) forecast.grew(programClass, null, promptTokens);
  forecast.grew(programClass, contextTokens === 0 ? promptTokens : contextTokens, grown);
  if (contextTokens === 0) return;
  if (growth.turns >= GROWTH_WINDOW_TURNS) {
    growth.tokens /= 2;
    growth.turns /= 2;
  }
  growth.tokens += Math.max(0, grown - contextTokens);
  growth.turns += 1;
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
