import { seconds, type Duration } from '@holdfast/scheduling';
import type { Command } from 'commander';
import type { ArrivalChoice } from '../cells/job.js';
import type { ReplaySettings } from '../commands/replay.js';
import { PROGRAM_SELECTIONS, toTraceArgument, type ProgramSelection } from '../trace-files/load-trace.js';
import { duration, numberFrom, oneOf } from './option-parsers.js';

interface RawOptions {
  readonly trace: string;
  readonly address: string;
  readonly model: string;
  readonly rate: number;
  readonly programs?: number;
  readonly seed: number;
  readonly timeScale: number;
  readonly gapCap: Duration;
  readonly maxContext: number;
  readonly select: ProgramSelection;
  readonly arrivals: ArrivalChoice['arrivals'];
  readonly sizeHint?: number;
  readonly out?: string;
}

const whole = (from: number, to: number): ((text: string) => number) => numberFrom({ from, to, isWhole: true });

/** Modifies the command: its options, and what runs. */
export const withReplay = (command: Command, run: (settings: ReplaySettings) => Promise<void>): void => {
  command
    .requiredOption('--trace <file>', 'a trace; NAME=FILE gives it another name')
    .requiredOption('--rate <number>', 'programs an hour', numberFrom({ from: 0.001, to: 1e6 }))
    .option('--address <host:port>', "of the service's gRPC", '127.0.0.1:7070')
    .option('--model <name>', "model (default: the service's only one)", '')
    .option('--programs <number>', 'programs that run (default: those of the trace)', whole(1, 10_000))
    .option(
      '--select <which>',
      `programs of a trace: ${PROGRAM_SELECTIONS.join(', ')}`,
      oneOf(PROGRAM_SELECTIONS),
      'all',
    )
    .option('--arrivals <how>', 'poisson, or trace: as recorded, at that rate', oneOf(['poisson', 'trace']), 'poisson')
    .option('--size-hint <sigma>', 'clients announce their size, off by exp(sigma z)', numberFrom({ from: 0, to: 10 }))
    .option('--seed <number>', 'of arrivals and tokens', whole(1, 1e6), 1)
    .option(
      '--time-scale <factor>',
      'seconds of the trace in a real one; that of the service (HOLDFAST_TIME_SCALE) and its simulated engines',
      numberFrom({ from: 0.01, to: 10_000 }),
      1,
    )
    .option('--gap-cap <duration>', 'longer gaps count as this (default: 120s)', duration, seconds(120))
    .option('--max-context <tokens>', 'longer prompts are cut', whole(1, 1e7), 100_000)
    .option('--out <folder>', 'also write replay.json there')
    .addHelpText('after', '\nHOLDFAST_API_KEY holds the key of a service that wants one.')
    .action((raw: RawOptions) => run(toSettings(raw)));
};

const toSettings = (raw: RawOptions): ReplaySettings => {
  const { address, model, seed, timeScale, gapCap, select } = raw;
  return {
    ...{ address, model, seed, timeScale, gapCap, select },
    trace: toTraceArgument(raw.trace),
    programsPerHour: raw.rate,
    programs: raw.programs ?? null,
    maxContextTokens: raw.maxContext,
    arrival: { arrivals: raw.arrivals, sizeHintSigma: raw.sizeHint ?? null },
    out: raw.out ?? null,
  };
};
