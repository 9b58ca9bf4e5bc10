import type { EngineId, ProgramId } from '../../model/ids.js';
import { GrowthForecast } from '../../prediction/growth-forecast.js';
import type { EngineFacts, PolicyFact, ProgramFacts } from '../facts.js';
import type { AdmissionPolicy, Candidate, PoolFacts } from './admission-policy.js';
import { WaitingLine } from './waiting-line.js';

export interface ExpectedGrowthParameters {
  /** Share of the growth expected of programs that run already which is kept free for them, 0 to 1. */
  readonly residentGrowth: number;
  /** Share of each engine's memory that claims may fill. */
  readonly fill: number;
}

export const EXPECTED_GROWTH_DEFAULTS: ExpectedGrowthParameters = { residentGrowth: 0.25, fill: 1 };

/** What a program that runs holds of an engine's memory. */
interface Claim {
  engineId: EngineId;
  tokens: number;
}

export interface ExpectedGrowthState {
  readonly forecast: GrowthForecast;
  readonly claims: Map<ProgramId, Claim>;
  /** Sum of the claims on each engine, tokens. */
  readonly claimed: Map<EngineId, number>;
  readonly waiting: WaitingLine;
}

/**
 * A program starts when its expected final context fits, on one engine, beside what the programs that run there hold and
 * part of what they will grow by. Started earlier it would fit, as new programs are small, and take memory from the others
 * later, when that costs them a rebuild: engines that admit whatever fits now tip into evicting everybody in turn.
 *
 * A program claims memory from its start to its end, except while nothing holds its context between two turns
 * (`contextReleased`); when it returns it waits like a new one, but in order of first arrival, so ahead of those. Nobody
 * overtakes: whoever is first in line is admitted as soon as he fits, or when his engine has no other program. While
 * everybody fits, nobody waits.
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
  }),
  observe: (state, fact) => observe(parameters, state, fact),
  admit: (state, candidate, pool) => {
    const { program } = candidate;
    const claim = state.claims.get(program.programId);
    if (claim !== undefined && pool.engines.some((engine) => isOpen(engine, claim.engineId))) return true;
    dropClaim(state, program.programId);
    const isFirst = state.waiting.isFirst(program.arrivedAt, program.programId);
    if (isFirst && tryAdmit(parameters, state, candidate, pool)) return true;
    state.waiting.add(program.arrivedAt, program.programId);
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
});

const isOpen = (engine: EngineFacts, engineId: EngineId): boolean =>
  engine.description.engineId === engineId && !engine.draining;

/** Pure. Engines that do not tell their size have room for everybody. */
const capacityOf = ({ description }: EngineFacts): number =>
  description.totalBlocks === 0 ? Infinity : description.totalBlocks * description.blockTokens;

/** Modifies `state`: claims memory for the program where it may have it. */
const tryAdmit = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  { program, turn }: Candidate,
  pool: PoolFacts,
): boolean => {
  const engine = engineFor(parameters, state, program, pool);
  // Without engines there is nothing to wait for here: the turn may as well wait in the pool's queue.
  if (engine === null) return true;
  const isNew = program.turnsFinished === 0;
  const capacity = capacityOf(engine);
  const final = expectedFinal(state, program, turn.promptTokens, capacity);
  const needed = isNew ? final : turn.promptTokens + parameters.residentGrowth * (final - turn.promptTokens);
  const { engineId } = engine.description;
  const claimed = state.claimed.get(engineId) ?? 0;
  if (claimed > 0 && claimed + needed > parameters.fill * capacity) return false;
  setClaim(state, program.programId, {
    engineId,
    tokens: turn.promptTokens + parameters.residentGrowth * (final - turn.promptTokens),
  });
  return true;
};

/** Pure. The engine that holds its context, or the one with most room. */
const engineFor = (
  parameters: ExpectedGrowthParameters,
  state: ExpectedGrowthState,
  program: ProgramFacts,
  pool: PoolFacts,
): EngineFacts | null => {
  let best: EngineFacts | null = null;
  let mostRoom = -Infinity;
  for (const engine of pool.engines) {
    if (engine.draining) continue;
    if (program.home?.engineId === engine.description.engineId && program.home.epoch === engine.description.epoch) {
      return engine;
    }
    const room = parameters.fill * capacityOf(engine) - (state.claimed.get(engine.description.engineId) ?? 0);
    if (room <= mostRoom) continue;
    best = engine;
    mostRoom = room;
  }
  return best;
};

const expectedFinal = (
  { forecast }: ExpectedGrowthState,
  { programClass, expectedTokens }: ProgramFacts,
  contextTokens: number,
  capacity: number,
): number =>
  expectedTokens === null
    ? forecast.expectedFinal(programClass, contextTokens, capacity)
    : Math.max(contextTokens, Math.min(expectedTokens, capacity));

const observe = (parameters: ExpectedGrowthParameters, state: ExpectedGrowthState, fact: PolicyFact): void => {
  const { programId, programClass, contextTokens, home } = fact.program;
  switch (fact.type) {
    case 'turnRan': {
      const grown = fact.turn.promptTokens + fact.outputTokens;
      state.forecast.grew(programClass, contextTokens === 0 ? null : contextTokens, grown);
      const claim = state.claims.get(programId);
      const engineId = home?.engineId ?? claim?.engineId;
      if (engineId === undefined) return;
      const final = expectedFinal(state, fact.program, grown, Infinity);
      setClaim(state, programId, { engineId, tokens: grown + parameters.residentGrowth * (final - grown) });
      return;
    }
    case 'contextReleased':
      dropClaim(state, programId);
      return;
    case 'programEnded':
      dropClaim(state, programId);
      if (contextTokens > 0) state.forecast.ended(programClass, contextTokens);
      return;
    case 'toolCallEnded':
  }
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
