/** Replays recorded programs under each policy: they arrive as they did, and come back as soon as their tools did. */
import { instant, micros, parsePolicy, type KernelCounters } from '@holdfast/scheduling';
import {
  createPool,
  engineProfile,
  limitProgram,
  simulate,
  type Arrival,
  type EngineProfile,
  type PoolEngine,
} from '@holdfast/simulation';
import { Figures, type FiguresSummary } from './figures.js';
import type { DryRunRequest } from './request.js';

/** What came of one policy. */
export interface PolicyOutcome extends FiguresSummary {
  readonly policy: string;
  readonly finishedPrograms: number;
  readonly finishedTurns: number;
  readonly preemptions: number;
  readonly pins: Readonly<Record<'set' | 'hit' | 'expired' | 'revoked' | 'released', number>>;
}

/** What came of all, in the order in which they were asked for. */
export interface DryRunResult {
  readonly schema: 'holdfast.dry-run/v1';
  readonly engineProfile: string;
  readonly engines: number;
  readonly programs: number;
  readonly turns: number;
  /** Turns whose prompt was cut, since no engine holds it. */
  readonly cutTurns: number;
  readonly policies: readonly PolicyOutcome[];
}

/** Nobody waits longer for a tool in virtual time than the recording was long; this is only a bound. */
const LONGEST_GAP = micros(86_400_000_000);

/**
 * Pure. The same request gives the same result.
 *
 * @throws PolicySpecError or RangeError for a policy or profile that is unknown.
 */
export const dryRun = (request: DryRunRequest): DryRunResult => {
  const profile = engineProfile(request.engineProfile);
  const smallest = Math.min(...request.engines.map(({ totalBlocks }) => totalBlocks ?? profile.totalBlocks));
  const longest = Math.max(...request.programs.flatMap(({ turns }) => turns.map((turn) => turn.outputTokens)), 0);
  // A context and its answer have to fit one engine, with a block to spare.
  const maxContextTokens = Math.max(1, (smallest - 1) * profile.blockTokens - longest);
  const arrivals = arrivalsOf(request, maxContextTokens);
  const turns = request.programs.flatMap((program) => program.turns);
  return {
    schema: 'holdfast.dry-run/v1',
    engineProfile: profile.name,
    engines: request.engines.length,
    programs: arrivals.length,
    turns: turns.length,
    cutTurns: turns.filter(({ promptTokens }) => promptTokens > maxContextTokens).length,
    policies: request.policies.map((policy) => outcomeOf(policy, { request, profile, arrivals })),
  };
};

const arrivalsOf = ({ programs }: DryRunRequest, maxContextTokens: number): readonly Arrival[] =>
  programs
    .map(({ programId, programClass, arrivedAtMicros, turns }) => ({
      program: limitProgram(
        {
          programId,
          programClass,
          turns: turns.map(({ tool, gapMicros, ...tokens }) => ({
            ...tokens,
            gap: micros(gapMicros),
            ...(tool === undefined ? {} : { tool }),
          })),
        },
        { gapCap: LONGEST_GAP, maxContextTokens },
      ),
      at: instant(arrivedAtMicros),
    }))
    .sort((a, b) => a.at - b.at || (a.program.programId < b.program.programId ? -1 : 1));

const outcomeOf = (
  policy: string,
  run: { readonly request: DryRunRequest; readonly profile: EngineProfile; readonly arrivals: readonly Arrival[] },
): PolicyOutcome => {
  const figures = new Figures();
  const { request, profile, arrivals } = run;
  const result = simulate({
    profile: parsePolicy(policy),
    engines: poolOf(request, profile),
    arrivals,
    dispatchWindow: request.dispatchWindow,
    observer: {
      turnFinished: (turn) => figures.turn(turn),
      programFinished: (program) => figures.program(program),
    },
  });
  return {
    policy,
    finishedPrograms: result.finishedPrograms,
    finishedTurns: result.finishedTurns,
    ...figures.summary(),
    preemptions: result.totals.preemptions,
    pins: pinsOf(result.counters),
  };
};

const pinsOf = (counters: Readonly<KernelCounters>): PolicyOutcome['pins'] => ({
  set: counters.pinsSet,
  hit: counters.pinsHit,
  expired: counters.pinsExpired,
  revoked: counters.pinsRevoked,
  released: counters.pinsReleased,
});

const poolOf = ({ engines }: DryRunRequest, profile: EngineProfile): readonly PoolEngine[] =>
  engines.flatMap(({ totalBlocks }, index) =>
    createPool({
      profile,
      engines: 1,
      kvScale: totalBlocks === null ? 1 : totalBlocks / profile.totalBlocks,
      tokenBudget: profile.tokenBudget,
      maxRunningRequests: profile.maxRunningRequests,
    }).map(({ engine, description }) => ({
      engine,
      description: { ...description, engineId: `e${index + 1}` },
    })),
  );
