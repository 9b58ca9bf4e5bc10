import { availableParallelism } from 'node:os';
import { seconds, type Duration } from '@holdfast/scheduling';
import { ENGINE_ABILITIES, type EngineAbilities } from '@holdfast/simulation';
import { Option, type Command } from 'commander';
import type { CompareSettings, ExperimentSettings } from '../experiment/settings.js';
import { PROGRAM_SELECTIONS, toTraceArgument, type ProgramSelection } from '../trace-files/load-trace.js';
import { UsageError } from './exit.js';
import {
  arrivalTimes,
  disturbance,
  duration,
  engine,
  listOf,
  numberFrom,
  oneOf,
  policy,
  policyHelp,
  type ArrivalTimes,
} from './option-parsers.js';

const MAX_SEEDS = 1_000;
const ABILITY_LEVELS = Object.keys(ENGINE_ABILITIES) as readonly EngineAbilities[];
const DEFAULT_GAP_CAP = seconds(120);

/** Options of every experiment, as they come from the command line. */
export interface RawOptions {
  readonly trace: readonly string[];
  readonly policies: readonly string[];
  readonly engine: readonly string[];
  readonly engines: readonly number[];
  readonly load?: readonly number[];
  readonly seeds: number;
  readonly gapCap: Duration;
  readonly maxContext: number;
  readonly programs?: number;
  readonly select: ProgramSelection;
  readonly arrivals: ArrivalTimes;
  readonly sizeHint?: number;
  readonly disturb?: string;
  readonly kvScale: number;
  readonly hostKvScale: number;
  readonly sharedPrompt: number;
  readonly abilities: EngineAbilities;
  readonly tokenBudget: number;
  readonly maxRunning: number;
  readonly workers: number | 'bullmq';
  readonly queue?: string;
  readonly out?: string;
  readonly decisions?: boolean;
  readonly perfetto?: boolean;
  readonly program?: string;
}

/** Modifies the command: options of every experiment. */
export const experiment = (command: Command): Command =>
  withArrivals(command)
    .requiredOption('--trace <file...>', 'traces; NAME=FILE gives one another name')
    .requiredOption('--policies <list>', 'policies; the first is the yardstick', listOf(policy))
    .option('--engine <list>', 'engine profiles', listOf(engine), ['h100-llama-3.1-8b'])
    .option('--engines <list>', 'engines of the pool', listOf(numberFrom({ from: 1, to: 64, isWhole: true })), [1])
    .option('--gap-cap <duration>', 'longer gaps count as this (default: 120s)', duration, DEFAULT_GAP_CAP)
    .option(
      '--max-context <tokens>',
      'longer prompts are cut',
      numberFrom({ from: 1, to: 1e7, isWhole: true }),
      200_000,
    )
    .option(
      '--programs <number>',
      'programs a cell (default: those of the trace)',
      numberFrom({ from: 1, to: 1e6, isWhole: true }),
    )
    .option(
      '--select <which>',
      `programs of a trace: ${PROGRAM_SELECTIONS.join(', ')}`,
      oneOf(PROGRAM_SELECTIONS),
      'all',
    )
    .option('--kv-scale <factor>', 'KV memory of an engine, of its profile', numberFrom({ from: 0.001, to: 1_000 }), 1)
    .option(
      '--host-kv-scale <factor>',
      'host memory for KV, of the KV memory of an engine; 0: none',
      numberFrom({ from: 0, to: 1_000 }),
      0,
    )
    .option(
      '--abilities <level>',
      'of the engines: full, order (no pins), stock (neither pins nor order)',
      oneOf(ABILITY_LEVELS),
      'full',
    )
    .option(
      '--token-budget <tokens>',
      'tokens of an engine step',
      numberFrom({ from: 1, to: 1e6, isWhole: true }),
      8_192,
    )
    .option(
      '--max-running <number>',
      'sequences of an engine at once',
      numberFrom({ from: 1, to: 65_536, isWhole: true }),
      256,
    )
    .option(
      '--workers <number>',
      'threads; 0 uses none; bullmq: whoever works on --queue (command work)',
      workers,
      availableParallelism(),
    )
    .option('--queue <url>', 'postgresql:// or redis://, with --workers bullmq')
    .option('--out <folder>', 'where to write; the same command goes on with what is there')
    .addHelpText('after', policyHelp());

/** How programs come, what they say, and what goes wrong with them. */
const withArrivals = (command: Command): Command =>
  command
    .addOption(
      new Option('--arrivals <how>', 'poisson, burst:N (N at once), or trace: as recorded, scaled to the load')
        .argParser(arrivalTimes)
        .default(arrivalTimes('poisson'), 'poisson'),
    )
    .option(
      '--size-hint <sigma>',
      'clients announce their size, off by exp(sigma z) (default: they do not)',
      numberFrom({ from: 0, to: 10 }),
    )
    .option(
      '--shared-prompt <tokens>',
      'first prompt tokens that all programs have in common',
      numberFrom({ from: 0, to: 1e7, isWhole: true }),
      0,
    )
    .option('--disturb <what>', 'something goes wrong; what it may be is listed below', disturbance);

/** Modifies the command. */
export const withSeeds = (command: Command, seeds: number): Command =>
  command.option('--seeds <number>', 'seeds 1 to this', numberFrom({ from: 1, to: MAX_SEEDS, isWhole: true }), seeds);

/** Modifies the command: what `compare` takes beyond that. */
export const withLoads = (command: Command, defaults: { readonly loads: string; readonly seeds: number }): Command => {
  const loads = listOf(numberFrom({ from: 0.001, to: 10 }));
  return withSeeds(command, defaults.seeds)
    .option(
      '--load <list>',
      'arrival rates; 1.0 is the backlog throughput of infinite pins',
      loads,
      loads(defaults.loads),
    )
    .option('--decisions', 'also write decisions.jsonl')
    .option('--perfetto', 'also write a trace for Perfetto or Chrome of each cell')
    .option('--program <id>', "program of the report's timeline (default: a typical one)");
};

/** Pure. Throws a UsageError for options that do not go together. */
export const toSettings = (raw: RawOptions): ExperimentSettings => {
  if (raw.maxRunning > raw.tokenBudget) {
    throw new UsageError(`--max-running is ${raw.maxRunning}; allowed is at most --token-budget, ${raw.tokenBudget}`);
  }
  return {
    traces: raw.trace.map(toTraceArgument),
    policies: raw.policies,
    engines: raw.engine,
    engineCounts: raw.engines,
    seeds: raw.seeds,
    gapCap: raw.gapCap,
    maxContextTokens: raw.maxContext,
    programs: raw.programs ?? null,
    select: raw.select,
    arrival: { ...raw.arrivals, sizeHintSigma: raw.sizeHint ?? null },
    disturbance: raw.disturb ?? null,
    kvScale: raw.kvScale,
    hostKvScale: raw.hostKvScale,
    sharedPromptTokens: raw.sharedPrompt,
    abilities: raw.abilities,
    tokenBudget: raw.tokenBudget,
    maxRunningRequests: raw.maxRunning,
    ...toWorkers(raw),
    out: raw.out ?? null,
  };
};

const workers = (text: string): number | 'bullmq' =>
  text === 'bullmq' ? text : numberFrom({ from: 0, to: 256, isWhole: true })(text);

const toWorkers = ({ workers: chosen, queue }: RawOptions): Pick<ExperimentSettings, 'workers' | 'queue'> => {
  if (chosen !== 'bullmq') return { workers: chosen, queue: null };
  if (queue === undefined) throw new UsageError('--workers is bullmq: name the queue with --queue');
  return { workers: 0, queue };
};

/** Pure. Throws a UsageError for options that do not go together. */
export const toCompareSettings = (raw: RawOptions): CompareSettings => {
  const settings = toSettings(raw);
  if (settings.out === null && (raw.decisions === true || raw.perfetto === true)) {
    throw new UsageError('--decisions and --perfetto write files: name a folder with --out');
  }
  if (settings.queue !== null && (raw.decisions === true || raw.perfetto === true)) {
    throw new UsageError(
      '--decisions and --perfetto write files where the cell runs: allowed without --workers bullmq',
    );
  }
  return {
    ...settings,
    loads: raw.load ?? [],
    writesDecisions: raw.decisions === true,
    writesPerfetto: raw.perfetto === true,
    chosenProgram: raw.program ?? null,
  };
};
