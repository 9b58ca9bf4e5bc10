import { instant } from '@holdfast/scheduling';
import { RandomStreams } from '../random-streams.js';
import type { ArrivalPlan } from './plan-arrivals.js';
import type { Arrival, RecordedProgram } from './workload.js';

/**
 * Pure. Programs as they arrived in the recording, bursts and lulls included, nearer or farther apart so that their mean
 * rate is the one asked for. Fewer than there are: a stretch of the recording that the seed chooses.
 *
 * @throws RangeError when a program has no time, when there are too few, or when all arrive at once.
 */
export const planRecordedArrivals = ({
  programs,
  count,
  ratePerSecond,
  seed,
}: Omit<ArrivalPlan, 'batch'>): readonly Arrival[] => {
  if (!(ratePerSecond > 0)) throw new RangeError(`ratePerSecond is ${ratePerSecond}; allowed is a number above 0`);
  if (count > programs.length) {
    throw new RangeError(`count is ${count}; allowed are at most the ${programs.length} programs of the recording`);
  }
  const sorted = inOrderOfTime(programs);
  const from = new RandomStreams(seed).stream('programs').integer(0, sorted.length - count);
  const stretch = sorted.slice(from, from + count);
  const scale = rateOf(stretch) / ratePerSecond;
  const origin = stretch[0]!.arrivedAt;
  return stretch.map((program) => ({ program, at: instant((program.arrivedAt - origin) * scale) }));
};

/** Pure. Mean arrivals per second of a recording. Throws as `planRecordedArrivals` does. */
export const recordedRate = (programs: readonly RecordedProgram[]): number => rateOf(inOrderOfTime(programs));

type TimedProgram = Required<RecordedProgram>;

const inOrderOfTime = (programs: readonly RecordedProgram[]): readonly TimedProgram[] => {
  const without = programs.find(({ arrivedAt }) => arrivedAt === undefined);
  if (without !== undefined) {
    throw new RangeError(`program "${without.programId}" has no arrival time; allowed are programs that all have one`);
  }
  return [...(programs as readonly TimedProgram[])].sort((a, b) => a.arrivedAt - b.arrivedAt);
};

const rateOf = (sorted: readonly TimedProgram[]): number => {
  const spanSeconds = sorted.length < 2 ? 0 : (sorted.at(-1)!.arrivedAt - sorted[0]!.arrivedAt) / 1e6;
  if (spanSeconds > 0) return (sorted.length - 1) / spanSeconds;
  throw new RangeError(`${sorted.length} programs arrive at one instant; allowed are at least two instants`);
};
