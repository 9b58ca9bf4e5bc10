import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { checkPolicyTables, policyTables, type PolicyTablesSettings } from '../commands/policy-tables.js';
import type { CommandIo } from '../commands/compare.js';
import { SECTIONS } from '../policy-tables/sections.js';
import { UsageError } from './exit.js';
import { listOf, numberFrom, oneOf } from './option-parsers.js';

interface RawOptions {
  readonly agentcgroup?: string;
  readonly weka?: string;
  readonly only: readonly string[];
  readonly markdown: string;
  readonly out?: string;
  readonly workers: number;
  readonly check?: boolean;
}

/** Modifies the command: its options, and what runs. */
export const withPolicyTables = (command: Command, io: () => CommandIo): void => {
  const names = SECTIONS.map(({ name }) => name);
  command
    .option('--agentcgroup <file>', 'the trace of autonomous runs')
    .option('--weka <file>', 'the trace with people in the loop')
    .option('--out <folder>', 'where finished cells are kept; the same command goes on with what is there')
    .option('--only <list>', `of ${names.join(', ')} (default: all)`, listOf(oneOf(names)), names)
    .option('--markdown <file>', 'the document; sections that are not run stay', 'docs/policy-results.md')
    .option('--workers <number>', 'threads', numberFrom({ from: 0, to: 256, isWhole: true }), availableParallelism())
    .option('--check', 'run nothing: say which sections are of other code than this; exit code 1 if any is')
    .action(async (raw: RawOptions) => {
      if (raw.check !== true) return policyTables(toSettings(raw), io());
      if (checkPolicyTables(raw.markdown, process.stdout) > 0) process.exitCode = 1;
    });
};

const toSettings = ({ agentcgroup, weka, out, ...rest }: RawOptions): PolicyTablesSettings => {
  if (agentcgroup === undefined || weka === undefined || out === undefined) {
    throw new UsageError('policy-tables needs --agentcgroup FILE, --weka FILE and --out FOLDER, or --check');
  }
  return { agentcgroup, weka, out, ...rest };
};
