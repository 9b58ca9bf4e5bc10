import { toSeconds, type Duration } from '@holdfast/scheduling';
import type { Command } from 'commander';
import type { PredictorsSettings } from '../commands/predictors.js';
import { PROGRAM_SELECTIONS, toTraceArgument, type ProgramSelection } from '../trace-files/load-trace.js';
import { duration, engine, listOf, numberFrom, oneOf } from './option-parsers.js';

interface RawOptions {
  readonly trace: readonly string[];
  readonly engine: string;
  readonly load: number;
  readonly seed: number;
  readonly gapCap: Duration;
  readonly maxContext: number;
  readonly elapsed: readonly Duration[];
  readonly select: ProgramSelection;
  readonly tools: number;
  readonly out?: string;
}

/** People answer within the hour, or not at all. */
const GAP_CAP = '3600s';
const ELAPSED = '0s,1s,10s,60s';

/** Modifies the command: its options, and what runs. */
export const withPredictors = (command: Command, run: (settings: PredictorsSettings) => Promise<void>): void => {
  command
    .requiredOption('--trace <file...>', 'traces; NAME=FILE gives one another name')
    .option('--engine <name>', 'engine profile: turns between the calls take its time', engine, 'h100-llama-3.1-8b')
    .option(
      '--load <number>',
      'arrival rate; calls of other programs run meanwhile',
      numberFrom({ from: 0.001, to: 10 }),
      0.8,
    )
    .option('--seed <number>', 'of the arrivals', numberFrom({ from: 1, to: 1e6, isWhole: true }), 1)
    .option('--gap-cap <duration>', `longer gaps count as this (default: ${GAP_CAP})`, duration, duration(GAP_CAP))
    .option(
      '--max-context <tokens>',
      'longer prompts are cut',
      numberFrom({ from: 1, to: 1e7, isWhole: true }),
      200_000,
    )
    .option(
      '--elapsed <list>',
      `asked of calls that have run so long (default: ${ELAPSED})`,
      listOf(duration),
      listOf(duration)(ELAPSED),
    )
    .option(
      '--select <which>',
      `programs of the trace: ${PROGRAM_SELECTIONS.join(', ')}`,
      oneOf(PROGRAM_SELECTIONS),
      'all',
    )
    .option('--tools <number>', 'tools with a table of their own', numberFrom({ from: 0, to: 1_000, isWhole: true }), 8)
    .option('--out <folder>', 'also write predictors.json there')
    .action((raw: RawOptions) => run(toSettings(raw)));
};

const toSettings = ({ trace, engine: name, maxContext, elapsed, out, ...rest }: RawOptions): PredictorsSettings => ({
  ...rest,
  traces: trace.map(toTraceArgument),
  pool: { engine: name, engines: 1, kvScale: 1, tokenBudget: 8_192, maxRunningRequests: 256 },
  maxContextTokens: maxContext,
  elapsedSeconds: elapsed.map(toSeconds),
  out: out ?? null,
});
