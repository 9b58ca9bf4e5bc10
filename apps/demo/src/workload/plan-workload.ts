import { RandomStreams } from '@holdfast/simulation';
import type { ProgramFacts } from './program-facts.js';

/** A program and when it arrives. */
export interface PlannedProgram extends ProgramFacts {
  /** Counts the programs of the workload from 1. */
  readonly ordinal: number;
  /** Model seconds after the start of the run. */
  readonly arrivesAtSeconds: number;
}

/** What a workload is made of. */
export interface WorkloadOptions {
  readonly programs: number;
  /** Decides which programs come, in which order and when. */
  readonly seed: number;
  /** Rate of the Poisson process by which programs arrive, per model second. */
  readonly arrivalsPerSecond: number;
  /** Longer tool gaps are cut to this. */
  readonly gapCapSeconds: number;
  /** Later turns are left out. */
  readonly turnCap: number;
}

/**
 * Pure. The same options give the same workload. Programs are drawn without repetition until all have been drawn once,
 * then from the start again.
 */
export const planWorkload = (facts: readonly ProgramFacts[], options: WorkloadOptions): readonly PlannedProgram[] => {
  const streams = new RandomStreams(options.seed);
  const order = shuffled(facts, streams);
  const arrivals = streams.stream('arrivals');
  let arrivesAtSeconds = 0;
  return Array.from({ length: options.programs }, (_, index) => {
    const program = order[index % order.length] as ProgramFacts;
    arrivesAtSeconds += arrivals.exponential(1 / options.arrivalsPerSecond);
    return { id: program.id, ordinal: index + 1, turns: capped(program, options), arrivesAtSeconds };
  });
};

/** Fisher and Yates' shuffle. */
const shuffled = (facts: readonly ProgramFacts[], streams: RandomStreams): readonly ProgramFacts[] => {
  const draw = streams.stream('programs');
  const order = [...facts];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = draw.integer(0, last);
    [order[last], order[other]] = [order[other] as ProgramFacts, order[last] as ProgramFacts];
  }
  return order;
};

const capped = ({ turns }: ProgramFacts, { gapCapSeconds, turnCap }: WorkloadOptions): ProgramFacts['turns'] =>
  turns.slice(0, turnCap).map((turn) => ({ ...turn, gapSeconds: Math.min(turn.gapSeconds, gapCapSeconds) }));

/** Pure. Turns of a workload in all. */
export const turnsOf = (workload: readonly PlannedProgram[]): number =>
  workload.reduce((sum, { turns }) => sum + turns.length, 0);
