import type { Command } from 'commander';
import {
  BUNDLED_RUNS,
  DEFAULT_PARTS,
  FIDELITY_PARTS,
  type FidelityPart,
  type FidelitySettings,
} from '../commands/fidelity.js';
import { listOf, numberFrom, oneOf } from './option-parsers.js';

const DEFAULT_SEEDS = 2;
const MAX_SEEDS = 100;
/** Slow motion: what a machine adds to each step counts half. */
const DEFAULT_TIME_SCALE = 0.5;

interface RawOptions {
  readonly parts: readonly FidelityPart[];
  readonly data: string;
  readonly seeds: number;
  readonly timeScale: number;
  readonly out?: string;
  readonly markdown?: string;
}

/** Modifies the command: its options, and what runs. */
export const withFidelity = (command: Command, run: (settings: FidelitySettings) => Promise<void>): void => {
  command
    .option(
      '--parts <list>',
      `of ${FIDELITY_PARTS.join(', ')} (default: ${DEFAULT_PARTS.join(', ')})`,
      listOf(oneOf(FIDELITY_PARTS)),
      [...DEFAULT_PARTS],
    )
    .option('--data <folder>', 'recorded runs of engines (default: those that come with the lab)', BUNDLED_RUNS)
    .option(
      '--seeds <number>',
      'of each point of the published set-ups',
      numberFrom({ from: 1, to: MAX_SEEDS, isWhole: true }),
      DEFAULT_SEEDS,
    )
    .option(
      '--time-scale <factor>',
      'of a live run: seconds of the programs in a real one',
      numberFrom({ from: 0.01, to: 1_000 }),
      DEFAULT_TIME_SCALE,
    )
    .option('--out <folder>', 'also write fidelity.json there')
    .option('--markdown <file>', 'write the document there instead of printing it; parts that are not measured stay')
    .action(({ out, markdown, ...rest }: RawOptions) => run({ ...rest, out: out ?? null, markdown: markdown ?? null }));
};
