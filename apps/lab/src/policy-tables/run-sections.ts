import { Command } from 'commander';
import {
  experiment,
  toCompareSettings,
  toSettings,
  withLoads,
  withSeeds,
  type RawOptions,
} from '../cli/experiment-options.js';
import type { CommandIo } from '../commands/compare.js';
import { knee } from '../commands/knee.js';
import { openLaboratory } from '../experiment/laboratory.js';
import { measureBenches } from '../experiment/load-units.js';
import { planCells } from '../experiment/plan-cells.js';
import type { CompareSettings } from '../experiment/settings.js';
import type { ProgressDisplay } from '../output/progress.js';
import { Cells } from './cells.js';
import type { Found, Section } from './section.js';

/** Where the traces are, and where and how cells are run. */
export interface TableRuns {
  readonly agentcgroup: string;
  readonly weka: string;
  /** Folder of finished cells: the same run goes on with what is there. */
  readonly out: string;
  readonly workers: number;
}

type Io = Pick<CommandIo, 'progress' | 'signal'>;

/** Modifies the folder of cells. Runs what a section wants and has not been run by this code. */
export const runSection = async (section: Section, runs: TableRuns, io: Io): Promise<Found> => {
  const cells = new Map<string, Cells>();
  const knees = new Map<string, Awaited<ReturnType<typeof knee>>>();
  for (const [name, options] of Object.entries(section.compares)) {
    cells.set(name, await runCompare(toComparison(options, runs), io));
  }
  for (const [name, options] of Object.entries(section.knees ?? {})) {
    const raw = parse(withSeeds(experiment(new Command()), SEEDS), options, runs);
    knees.set(
      name,
      await knee({ ...toSettings(raw), ...ownOf(runs) }, { ...io, progress: shared(io.progress), output: NOWHERE }),
    );
  }
  return { cells: (name) => known(cells, name), knee: (name) => known(knees, name) };
};

/** Pure. Cells that the comparisons of a section have; how many a knee needs, only the search knows. */
export const countCells = (section: Section, runs: TableRuns): number =>
  Object.values(section.compares).reduce((sum, options) => {
    const { policies, loads, seeds } = toComparison(options, runs);
    return sum + policies.length * loads.length * seeds + 1;
  }, 0);

const SEEDS = 4;

/** The commands' own tables are not wanted. */
const NOWHERE = { write: () => true } as unknown as NodeJS.WritableStream;

const known = <T>(found: ReadonlyMap<string, T>, name: string): T => {
  const one = found.get(name);
  if (one === undefined) throw new RangeError(`the section runs no "${name}"; it runs ${[...found.keys()].join()}`);
  return one;
};

const parse = (command: Command, options: string, { agentcgroup, weka }: TableRuns): RawOptions => {
  const words = options.split(' ').map((word) => word.replace('AGENTCGROUP', agentcgroup).replace('WEKA', weka));
  return command.exitOverride().parse(words, { from: 'user' }).opts<RawOptions>();
};

const ownOf = ({ out, workers }: TableRuns): { readonly out: string; readonly workers: number } => ({ out, workers });

/** Pure. What the options of a section mean. */
export const toComparison = (options: string, runs: TableRuns): CompareSettings => {
  const command = withLoads(experiment(new Command()), { loads: '0.5,0.8,0.95', seeds: SEEDS });
  return { ...toCompareSettings(parse(command, options, runs)), ...ownOf(runs) };
};

const runCompare = async (settings: CompareSettings, { progress, signal }: Io): Promise<Cells> => {
  // How many there are in all is said beforehand.
  const counted: ProgressDisplay = { ...shared(progress), expect: () => undefined };
  const laboratory = await openLaboratory(settings, { progress: counted, signal });
  try {
    const benches = await measureBenches(laboratory, settings);
    // Without a folder, jobs write no files and look at nothing closely: they are the same ones in every section.
    const jobs = benches.flatMap((bench) => planCells(bench, { ...settings, out: null }));
    return new Cells((await laboratory.results(jobs)).map(({ row }) => row));
  } finally {
    await laboratory.close();
  }
};

/** One display for everything: no run ends it. */
const shared = (progress: ProgressDisplay): ProgressDisplay => ({
  expect: (jobs) => progress.expect(jobs),
  begin: (title) => progress.begin(title),
  skip: () => progress.skip(),
  end: () => undefined,
});
