import type { Command } from 'commander';
import { BUNDLED_RUNS, FIDELITY_PARTS, type FidelityPart, type FidelitySettings } from '../commands/fidelity.js';
import { listOf, numberFrom, oneOf } from './option-parsers.js';

const DEFAULT_SEEDS = 2;
const MAX_SEEDS = 100;

interface RawOptions {
  readonly parts: readonly FidelityPart[];
  readonly data: string;
  readonly seeds: number;
  readonly out?: string;
  readonly markdown?: string;
}

/** Modifies the command: its options, and what runs. */
export const withFidelity = (command: Command, run: (settings: FidelitySettings) => void): void => {
  command
    .option('--parts <list>', `of ${FIDELITY_PARTS.join(', ')} (default: all)`, listOf(oneOf(FIDELITY_PARTS)), [
      ...FIDELITY_PARTS,
    ])
    .option('--data <folder>', 'recorded runs of engines (default: those that come with the lab)', BUNDLED_RUNS)
    .option(
      '--seeds <number>',
      'of each point of the published set-ups',
      numberFrom({ from: 1, to: MAX_SEEDS, isWhole: true }),
      DEFAULT_SEEDS,
    )
    .option('--out <folder>', 'also write fidelity.json there')
    .option('--markdown <file>', 'write the document there instead of printing it')
    .action(({ out, markdown, ...rest }: RawOptions) => run({ ...rest, out: out ?? null, markdown: markdown ?? null }));
};
