import type { ArrivalChoice, PoolChoice } from '../cells/job.js';
import type { LoadedTrace } from '../trace-files/load-trace.js';
import type { Laboratory } from './laboratory.js';
import { poolsOf } from './pools.js';
import type { ExperimentSettings } from './settings.js';

/** A trace on engines, and what load 1.0 is there. */
export interface Bench {
  readonly trace: LoadedTrace;
  readonly pool: PoolChoice;
  /** Programs of a cell. */
  readonly programs: number;
  readonly arrival: ArrivalChoice;
  readonly disturbance: string | null;
  readonly unitProgramsPerSecond: number;
  /** Programs a second in the recording; null where it does not say. */
  readonly recordedPerSecond: number | null;
}

/** Pure. What load 1.0 is, for people. */
export const describeUnit = ({
  trace,
  pool,
  programs,
  unitProgramsPerSecond,
  recordedPerSecond,
}: Omit<Bench, 'trace' | 'arrival' | 'disturbance'> & { readonly trace: string }): string => {
  const recorded =
    recordedPerSecond === null
      ? ''
      : `; the times of the trace are load ${(recordedPerSecond / unitProgramsPerSecond).toPrecision(3)}`;
  return (
    `load 1.0 of ${trace} on ${pool.engines} x ${pool.engine} = ${(unitProgramsPerSecond * 3_600).toFixed(1)} programs/h ` +
    `(infinite pins, a backlog of at least ${programs} programs, 10th to 80th percentile of completions)${recorded}`
  );
};

/** Modifies the laboratory's store. Measures load 1.0 of every trace on all engines. */
export const measureBenches = async (
  laboratory: Laboratory,
  settings: ExperimentSettings,
): Promise<readonly Bench[]> => {
  const { arrival, disturbance } = settings;
  const places = laboratory.traces.flatMap((trace) =>
    poolsOf(settings).map((pool) => ({ trace, pool, programs: settings.programs ?? trace.programs.length })),
  );
  const units = await laboratory.results(
    places.map(({ trace, pool, programs }) => ({ kind: 'load-unit' as const, trace: trace.name, pool, programs })),
  );
  return places.map((place, index) => {
    const { programsPerSecond, recordedPerSecond } = units[index]!;
    return { ...place, arrival, disturbance, unitProgramsPerSecond: programsPerSecond, recordedPerSecond };
  });
};
