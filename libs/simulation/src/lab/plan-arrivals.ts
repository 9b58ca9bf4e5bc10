import { instant } from '@holdfast/scheduling';
import { RandomStreams, type RandomStream } from '../random-streams.js';
import type { Arrival, RecordedProgram } from './workload.js';

export interface ArrivalPlan {
  readonly programs: readonly RecordedProgram[];
  /** Programs that arrive. More than there are: sampled with replacement; else a random choice of them. */
  readonly count: number;
  /** Mean arrivals per second. */
  readonly ratePerSecond: number;
  readonly seed: number;
  /** Programs that come at one instant, as when a fan-out starts them together; default 1. */
  readonly batch?: number;
}

/**
 * Pure. Programs in Poisson arrivals, or batches of them. The seed alone decides which programs come, in which order and
 * how their times are spaced, so two loads of one seed differ in scale only, and every policy gets the same.
 *
 * @throws RangeError without programs, for a rate that is not above 0, or a batch that is no whole number from 1.
 */
export const planArrivals = ({ programs, count, ratePerSecond, seed, batch = 1 }: ArrivalPlan): readonly Arrival[] => {
  if (!(ratePerSecond > 0)) throw new RangeError(`ratePerSecond is ${ratePerSecond}; allowed is a number above 0`);
  if (!(Number.isSafeInteger(batch) && batch >= 1)) {
    throw new RangeError(`batch is ${batch}; allowed is a whole number from 1`);
  }
  const streams = new RandomStreams(seed);
  const spacing = streams.stream('arrivals');
  let atSeconds = 0;
  return samplePrograms(programs, count, streams.stream('programs')).map((program, index) => {
    if (index % batch === 0) atSeconds += (batch * spacing.exponential(1)) / ratePerSecond;
    return { program, at: instant(atSeconds * 1e6) };
  });
};

/**
 * Pure. The same programs, all there at once: one microsecond apart, so that there is a first and a last one.
 *
 * @throws RangeError without programs.
 */
export const planBacklog = ({
  programs,
  count,
  seed,
}: Omit<ArrivalPlan, 'ratePerSecond' | 'batch'>): readonly Arrival[] =>
  samplePrograms(programs, count, new RandomStreams(seed).stream('programs')).map((program, index) => ({
    program,
    at: instant(index),
  }));

const samplePrograms = (
  programs: readonly RecordedProgram[],
  count: number,
  stream: RandomStream,
): readonly RecordedProgram[] => {
  if (programs.length === 0) throw new RangeError('programs has length 0; allowed is at least one program');
  if (count <= programs.length) return shuffled(programs, stream).slice(0, count);
  const copies = new Map<string, number>();
  return Array.from({ length: count }, () => {
    const program = programs[stream.integer(0, programs.length - 1)]!;
    const copy = (copies.get(program.programId) ?? 0) + 1;
    copies.set(program.programId, copy);
    return copy === 1 ? program : { ...program, programId: `${program.programId}#${copy}` };
  });
};

/** Fisher and Yates. */
const shuffled = <T>(items: readonly T[], stream: RandomStream): T[] => {
  const order = [...items];
  for (let index = order.length - 1; index > 0; index -= 1) {
    const other = stream.integer(0, index);
    [order[index], order[other]] = [order[other]!, order[index]!];
  }
  return order;
};
