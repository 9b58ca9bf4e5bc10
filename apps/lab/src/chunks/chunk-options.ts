import { evictionPolicies, type EvictionName, type ShareForm } from '@holdfast/chunk-cache';
import type { Command } from 'commander';
import { listOf, numberFrom, oneOf } from '../cli/option-parsers.js';
import type { CommandIo } from '../commands/compare.js';
import { DEFAULT_CAPACITY_SHARES } from './chunk-census.js';
import { compareChunks, inspectChunks } from './chunk-commands.js';
import { CHUNK_MEASURES, type ChunkMeasure } from './chunk-settings.js';

interface RawOptions {
  readonly policies: readonly EvictionName[];
  readonly capacity: readonly number[];
  readonly variants: readonly number[];
  readonly form: ShareForm['kind'];
  readonly alpha: number;
  readonly admitAbove: number;
  readonly measure: readonly ChunkMeasure[];
  readonly out?: string;
}

const POLICIES = evictionPolicies();
const MOST_VARIANTS = 1_000;
/** As the published proxy of a mean recompute: alpha * CCI. */
const DEFAULT_ALPHA = 0.6;
const DEFAULT_ADMIT_ABOVE = 0.25;
const FORMS = ['paper', 'symmetric'] as const;

/** Adds `chunks inspect` and `chunks compare`; `subcommand` makes a command below another with the lab's manners. */
export const withChunks = (
  chunks: Command,
  subcommand: (parent: Command, name: string, description: string) => Command,
  io: () => CommandIo,
): void => {
  subcommand(chunks, 'inspect', 'Prints what is in traces of prompts with chunks: references, repeats, ceilings, LRU.')
    .argument('<file...>', '0_trace.jsonl of RAGPulse beside its tables, or qrels of MTRAG; plain or gzip')
    .option('--json', 'prints one JSON document')
    .action((files: readonly string[], { json }: { readonly json?: boolean }) =>
      inspectChunks(files, json === true ? 'json' : 'text', io().output),
    );
  subcommand(
    chunks,
    'compare',
    'Replays traces of chunks under eviction policies and capacities, with the ideal bounds.',
  )
    .argument('<file...>', 'as of inspect')
    .option(
      '--policies <list>',
      'eviction policies',
      listOf(oneOf(POLICIES.map(({ name }) => name))),
      POLICIES.map(({ name }) => name),
    )
    .option(
      '--capacity <list>',
      'shares of the unique chunk tokens',
      listOf(numberFrom({ from: 0.001, to: 10 })),
      DEFAULT_CAPACITY_SHARES,
    )
    .option('--variants <list>', 'most variants a chunk, or any', listOf(variants), [1, Infinity])
    .option('--measure <list>', 'hits, work', listOf(oneOf(CHUNK_MEASURES)), CHUNK_MEASURES)
    .option('--form <name>', `recompute share of a use: ${FORMS.join(', ')}`, oneOf(FORMS), 'paper')
    .option(
      '--alpha <number>',
      'share of a chunk to recompute when nothing of its context is left',
      numberFrom({ from: 0, to: 1 }),
      DEFAULT_ALPHA,
    )
    .option(
      '--admit-above <share>',
      'a further variant is stored when the best one costs more',
      numberFrom({ from: 0, to: 1 }),
      DEFAULT_ADMIT_ABOVE,
    )
    .option('--out <folder>', 'where to write chunks.json and chunks.html')
    .addHelpText(
      'after',
      `\nEviction policies:\n${POLICIES.map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`).join('\n')}`,
    )
    .action(
      async (files: readonly string[], raw: RawOptions) => void (await compareChunks(toSettings(files, raw), io())),
    );
};

const toSettings = (files: readonly string[], raw: RawOptions): Parameters<typeof compareChunks>[0] => ({
  files,
  policies: raw.policies,
  capacityShares: raw.capacity,
  variants: raw.variants,
  form: toForm(raw),
  admitAbove: raw.admitAbove,
  measures: raw.measure,
  out: raw.out ?? null,
});

/** Behind other chunks a variant without any is worth nothing: it would be free for ever otherwise. */
const toForm = ({ form, alpha }: RawOptions): ShareForm =>
  form === 'paper' ? { kind: form, alpha, emptyContext: 'none' } : { kind: form, alpha };

const variants = (text: string): number =>
  text === 'any' ? Infinity : numberFrom({ from: 1, to: MOST_VARIANTS, isWhole: true })(text);
