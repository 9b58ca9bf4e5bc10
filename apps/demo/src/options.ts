import { parsePolicy, PolicySpecError } from '@holdfast/scheduling';
import { Command, InvalidArgumentError } from 'commander';

/** A validated command line. */
export interface DemoOptions {
  readonly policies: readonly string[];
  readonly programs: number;
  /** Model seconds per real second. */
  readonly timeScale: number;
  readonly seed: number;
  /** Programs that arrive in an hour of model time. */
  readonly arrivalsPerHour: number;
  readonly engine: 'sim';
  /** Where to write the summary. */
  readonly json?: string;
  /** Folder for recorded events and decisions. */
  readonly record?: string;
  /** Folder for the logs of all processes. */
  readonly keepLogs?: string;
}

/** Defaults: a burst that wants about three times the memory of two engines, in about 40 s a policy. */
const DEFAULTS = {
  policies: 'vllm-fcfs,program-fcfs,continuum',
  programs: 48,
  timeScale: 50,
  seed: 1,
  arrivalsPerHour: 300,
} as const;

const DESCRIPTION = `Replays recorded agent programs under several policies and compares them: the same programs, the same seed and the
same arrival times, through the SDK, the control plane and two simulated engines, each a process of its own.

The programs are real (Claude Code sessions, as numbers only); the engines are models with measured step times, and
time is scaled. docs/demo.md says what each figure means, and where the gain ends.`;

const numberFrom =
  (range: { readonly from: number; readonly to: number; readonly isWhole: boolean }) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const { from, to, isWhole } = range;
    if (value >= from && value <= to && (!isWhole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`Allowed: ${isWhole ? 'a whole number' : 'a number'} from ${from} to ${to}.`);
  };

const policyList = (text: string): readonly string[] => {
  const policies = text.split(',').map((policy) => policy.trim());
  for (const policy of policies) {
    try {
      parsePolicy(policy);
    } catch (error) {
      if (!(error instanceof PolicySpecError)) throw error;
      throw new InvalidArgumentError(error.message);
    }
  }
  if (new Set(policies).size === policies.length) return policies;
  throw new InvalidArgumentError('Allowed: each policy once.');
};

const engineKind = (text: string): 'sim' => {
  if (text === 'sim') return text;
  throw new InvalidArgumentError('Allowed: sim.');
};

/** Reads the arguments. Prints and ends the process for --help and for a wrong argument, with exit code 2. */
export const readOptions = (args: readonly string[]): DemoOptions => {
  const command = new Command('npm run demo --')
    .description(DESCRIPTION)
    .allowExcessArguments(false)
    .showHelpAfterError('(--help lists the options)')
    .option(
      '--policies <list>',
      'policies in order; the first is the yardstick',
      policyList,
      policyList(DEFAULTS.policies),
    )
    .option('--programs <number>', 'programs', numberFrom({ from: 1, to: 1_000, isWhole: true }), DEFAULTS.programs)
    .option(
      '--time-scale <factor>',
      'model seconds per real second',
      numberFrom({ from: 0.1, to: 1_000, isWhole: false }),
      DEFAULTS.timeScale,
    )
    .option(
      '--seed <number>',
      'decides which programs come, and when',
      numberFrom({ from: 0, to: 2 ** 32 - 1, isWhole: true }),
      DEFAULTS.seed,
    )
    .option(
      '--arrivals-per-hour <number>',
      'programs per hour of model time',
      numberFrom({ from: 1, to: 1_000_000, isWhole: false }),
      DEFAULTS.arrivalsPerHour,
    )
    .option('--engine <kind>', 'engines to run on', engineKind, 'sim')
    .option('--json <file>', 'also write the figures, schema holdfast.lab.summary/v1')
    .option('--record <folder>', 'also write the recorded events and decisions of each policy')
    .option('--keep-logs <folder>', 'keep the logs of all processes')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  return command.parse(args, { from: 'user' }).opts<DemoOptions>();
};
