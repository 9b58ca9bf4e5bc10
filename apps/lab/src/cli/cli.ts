import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { withChunks } from '../chunks/chunk-options.js';
import { compare, type CommandIo } from '../commands/compare.js';
import { fidelity } from '../commands/fidelity.js';
import { inspect } from '../commands/inspect.js';
import { knee } from '../commands/knee.js';
import { predictors } from '../commands/predictors.js';
import { replay } from '../commands/replay.js';
import { report } from '../commands/report.js';
import type { WorkSettings } from '../commands/work.js';
import { progressDisplay } from '../output/progress.js';
import { withCompletion } from './completion.js';
import {
  experiment,
  toCompareSettings,
  toSettings,
  withLoads,
  withSeeds,
  type RawOptions,
} from './experiment-options.js';
import { withFidelity } from './fidelity-options.js';
import { numberFrom } from './option-parsers.js';
import { withPolicyTables } from './policy-tables-options.js';
import { withPredictors } from './predictors-options.js';
import { withReplay } from './replay-options.js';

/** The command line of the lab. Errors of its arguments print themselves and end with exit code 2. */
export const createCli = (signal: AbortSignal): Command => {
  const cli = new Command('npm run lab --')
    .description(
      'Scheduling policies side by side on recorded agent programs. docs/lab.md says what each figure means.',
    )
    .showHelpAfterError('(--help lists the options)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  const command = (name: string, description: string): Command => subcommand(cli, name, description);
  const io = (): CommandIo => ({ output: process.stdout, progress: progressDisplay(process.stderr), signal });
  const runCompare = async (raw: RawOptions): Promise<void> => void (await compare(toCompareSettings(raw), io()));
  command('inspect', 'Prints what is in traces: programs, turns, tokens, gaps, tools.')
    .argument('<file...>', 'trace files of any known format, plain, gzip or tar')
    .action((files: readonly string[]) => inspect(files, process.stdout));
  withLoads(
    experiment(command('simulate', 'Runs policies on traces; as compare, with one load and seed unless told.')),
    {
      loads: '0.8',
      seeds: 1,
    },
  ).action(runCompare);
  withLoads(experiment(command('compare', 'Compares policies over loads and seeds.')), {
    loads: '0.5,0.8,0.95',
    seeds: 4,
  }).action(runCompare);
  withSeeds(
    experiment(command('knee', 'Finds the largest load at which mean JCT is at most 1.5 times that at load 0.2.')),
    4,
  ).action(async (raw: RawOptions) => void (await knee(toSettings(raw), io())));
  command('report', 'Draws the report of what an --out folder holds, also of a run that was interrupted.')
    .argument('<folder>', 'as given to --out of compare, simulate or knee')
    .action((folder: string) => report(folder, process.stdout));
  command('work', 'Runs cells of a queue, for compare and knee with --workers bullmq on any host.')
    .requiredOption('--queue <url>', 'postgresql:// or redis://')
    .option('--workers <number>', 'threads', numberFrom({ from: 1, to: 256, isWhole: true }), availableParallelism())
    .action(async (settings: WorkSettings) => {
      // Loaded for those who have a queue only.
      const { work } = await import('../commands/work.js');
      await work(settings, { output: process.stderr, signal });
    });
  withPredictors(
    command('predictors', 'Scores predictors of tool durations on traces, in order of time.'),
    async (settings) => void (await predictors(settings, io())),
  );
  withReplay(
    command('replay', 'Drives a live service with a trace, through the SDK.'),
    async (settings) => void (await replay(settings, io())),
  );
  withFidelity(
    command('fidelity', 'Holds the model against measured engines and published results.'),
    async (settings) => void (await fidelity(settings, io())),
  );
  withPolicyTables(
    command('policy-tables', 'Runs the comparisons of docs/policy-results.md and writes their tables.'),
    io,
  );
  withChunks(command('chunks', 'Chunk caches of retrieval-augmented prompts: inspect, compare.'), subcommand, io);
  withCompletion(cli);
  return cli;
};

const subcommand = (parent: Command, name: string, description: string): Command =>
  parent
    .command(name)
    .description(description)
    .showHelpAfterError('(--help lists the options)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
