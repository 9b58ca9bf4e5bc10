import { parsePolicy, PolicySpecError } from '@holdfast/scheduling';
import { Command, InvalidArgumentError } from 'commander';
import { demoEngine, type EngineKind } from './engine-kinds.js';

/** A validated command line. */
export interface DemoOptions {
  readonly policies: readonly string[];
  readonly programs: number;
  /** Model seconds per real second. */
  readonly timeScale: number;
  readonly seed: number;
  /** Programs that arrive in an hour of model time. */
  readonly arrivalsPerHour: number;
  readonly engine: EngineKind;
  /** Where to write the summary. */
  readonly json?: string;
  /** Folder for recorded events and decisions. */
  readonly record?: string;
  /** Folder for the logs of all processes. */
  readonly keepLogs?: string;
}

const DEFAULTS = { policies: 'vllm-fcfs,continuum,holdfast', seed: 1, engine: 'sim' } as const;

const DESCRIPTION = `Replays recorded agent programs under several policies and compares them: the same programs, the same seed and the
same arrival times, through the SDK, the control plane and its engines, each a process of its own.

The programs are real (Claude Code sessions, as numbers only); the engines are models with measured step times, and
time is scaled. With --engine vllm it is a real vLLM, and the programs are scaled to its small model and pool. docs/demo.md says what each figure means, and where the gain ends.`;

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

const engineKind = (text: string): EngineKind => {
  if (text === 'sim' || text === 'vllm') return text;
  throw new InvalidArgumentError('Allowed: sim, vllm.');
};

/** Pure. What was not said has the value that suits the engine. A real engine has its own time. */
const completed = (given: GivenOptions): DemoOptions => {
  const { defaults } = demoEngine(given.engine);
  if (given.engine === 'vllm' && (given.timeScale ?? 1) !== 1) {
    throw new InvalidArgumentError(`--time-scale is ${given.timeScale}; allowed with --engine vllm: 1.`);
  }
  return { ...defaults, ...given };
};

type GivenOptions = Omit<DemoOptions, 'programs' | 'timeScale' | 'arrivalsPerHour'> &
  Partial<Pick<DemoOptions, 'programs' | 'timeScale' | 'arrivalsPerHour'>>;

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
    .option(
      '--programs <number>',
      'programs (default: 48; vllm: 14)',
      numberFrom({ from: 1, to: 1_000, isWhole: true }),
    )
    .option(
      '--time-scale <factor>',
      'model seconds per real second (default: 50; vllm: 1)',
      numberFrom({ from: 0.1, to: 1_000, isWhole: false }),
    )
    .option(
      '--seed <number>',
      'decides which programs come, and when',
      numberFrom({ from: 0, to: 2 ** 32 - 1, isWhole: true }),
      DEFAULTS.seed,
    )
    .option(
      '--arrivals-per-hour <number>',
      'programs per hour of model time (default: 300; vllm: 1,800)',
      numberFrom({ from: 1, to: 1_000_000, isWhole: false }),
    )
    .option('--engine <kind>', 'sim: two simulated engines; vllm: a real vLLM on the CPU', engineKind, DEFAULTS.engine)
    .option('--json <file>', 'also write the figures, schema holdfast.lab.summary/v1')
    .option('--record <folder>', 'also write the recorded events and decisions of each policy')
    .option('--keep-logs <folder>', 'keep the logs of all processes')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  const given = command.parse(args, { from: 'user' }).opts<GivenOptions>();
  try {
    return completed(given);
  } catch (error) {
    return command.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  }
};
