import { recordedRate } from '@holdfast/simulation';
import { UsageError } from '../cli/exit.js';
import type { LoadedTrace } from '../trace-files/load-trace.js';
import type { ExperimentSettings } from './settings.js';

/** Pure. Throws a UsageError when the trace does not say when its programs came, or not of as many as are wanted. */
export const requireArrivals = (
  { name, programs }: LoadedTrace,
  { programs: wanted, seeds, arrival }: Pick<ExperimentSettings, 'programs' | 'seeds' | 'arrival'>,
): void => {
  if (programs.some(({ arrivedAt }) => arrivedAt === undefined)) {
    throw new UsageError(
      `--arrivals is trace, but trace ${name} does not say when its programs came; allowed is poisson`,
    );
  }
  const count = wanted ?? programs.length;
  if (count > programs.length) {
    throw new UsageError(
      `--programs is ${count}; allowed with --arrivals trace are up to ${programs.length}, those of ${name}`,
    );
  }
  if (count === programs.length && seeds > 1 && arrival.sizeHintSigma === null) {
    throw new UsageError(
      `--seeds is ${seeds}; allowed with --arrivals trace is 1, as nothing is drawn, or fewer --programs than the ` +
        `${programs.length} of ${name}: each seed takes another stretch`,
    );
  }
  try {
    recordedRate(programs);
  } catch (error) {
    throw new UsageError(`--arrivals is trace, but of trace ${name} ${(error as Error).message}`);
  }
};
