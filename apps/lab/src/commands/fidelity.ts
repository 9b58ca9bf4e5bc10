import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engineMarkdown, measureEngines, type EngineResult } from '../fidelity/engine-part.js';
import { liveMarkdown } from '../fidelity/live/live-markdown.js';
import {
  LIVE_BLOCKS,
  LIVE_ENGINES,
  LIVE_POLICIES,
  LIVE_SHAPE,
  measureLive,
  type LiveResult,
} from '../fidelity/live/live-part.js';
import { vllmMarkdown } from '../fidelity/live/vllm-markdown.js';
import { measureVllm, type VllmResult } from '../fidelity/live/vllm-part.js';
import { publishedMarkdown } from '../fidelity/published-markdown.js';
import { measurePublished, type PublishedResult } from '../fidelity/published-part.js';
import { measurePublishedRun, publishedRunMarkdown, type PublishedRunResult } from '../fidelity/published-run.js';
import { replaceSections } from '../output/replace-sections.js';
import { writeWhole } from '../output/write-files.js';
import type { CommandIo } from './compare.js';

/** What the model is held against. */
export const FIDELITY_PARTS = ['engines', 'published', 'live', 'vllm'] as const;

/** What is measured unless told otherwise: parts whose figures come out the same on every machine, in seconds. */
export const DEFAULT_PARTS = ['engines', 'published'] as const satisfies readonly FidelityPart[];

export type FidelityPart = (typeof FIDELITY_PARTS)[number];

/** Where the recorded runs of engines are that come with the lab. */
export const BUNDLED_RUNS = fileURLToPath(new URL('../../data/engine-calibration', import.meta.url));

export interface FidelitySettings {
  readonly parts: readonly FidelityPart[];
  /** Folder of the recorded runs. */
  readonly data: string;
  /** Seeds of each point of the published set-ups. */
  readonly seeds: number;
  /** Of a live run: seconds of the programs in a real one. */
  readonly timeScale: number;
  /** Folder for `fidelity.json`; null writes none. */
  readonly out: string | null;
  /** File for the document; null prints it. */
  readonly markdown: string | null;
}

/** What was measured: `fidelity.json`. */
interface Fidelity {
  readonly schema: 'holdfast.lab.fidelity/v1';
  readonly engines?: readonly EngineResult[];
  readonly published?: readonly PublishedResult[];
  readonly publishedRun?: readonly PublishedRunResult[];
  readonly live?: readonly LiveResult[];
  readonly vllm?: VllmResult;
}

const INTRODUCTION = `# How far to trust the lab

Written by \`npm run lab -- fidelity --markdown docs/fidelity.md\`, whose figures come out the same on every machine, and by
the same command with \`--parts live\` and \`--parts vllm\`, which take minutes of real time and have the noise of a machine.
\`fidelity --help\` lists the parts.`;

/** Holds the model against what was measured elsewhere. Prints a document, or writes it. */
export const fidelity = async (settings: FidelitySettings, io: CommandIo): Promise<Fidelity> => {
  const { out, markdown } = settings;
  const { output, progress } = io;
  const result = await measure(settings, io);
  progress.end();
  const sections = sectionsOf(result, settings);
  if (out !== null) {
    mkdirSync(out, { recursive: true });
    writeWhole(join(out, 'fidelity.json'), `${JSON.stringify(result, null, 2)}\n`);
  }
  if (markdown === null) output.write(`${[INTRODUCTION, ...sections].join('\n\n')}\n`);
  else {
    mkdirSync(dirname(markdown), { recursive: true });
    const before = existsSync(markdown) ? readFileSync(markdown, 'utf8') : '';
    writeWhole(markdown, replaceSections(before, { introduction: INTRODUCTION, sections }));
    output.write(`Written: ${markdown}\n`);
  }
  return result;
};

const measure = async ({ parts, data, seeds, timeScale }: FidelitySettings, io: CommandIo): Promise<Fidelity> => {
  const { progress, signal } = io;
  const memory = { engines: LIVE_ENGINES, blocks: LIVE_BLOCKS };
  const live = { policies: LIVE_POLICIES, shape: LIVE_SHAPE, ...memory, timeScale, signal, progress };
  return {
    schema: 'holdfast.lab.fidelity/v1',
    ...(parts.includes('engines') ? { engines: measureEngines(data) } : {}),
    ...(parts.includes('published')
      ? { published: measurePublished(seeds, progress), publishedRun: measurePublishedRun() }
      : {}),
    ...(parts.includes('live') ? { live: await measureLive(live) } : {}),
    ...(parts.includes('vllm') ? { vllm: await measureVllm(io) } : {}),
  };
};

const sectionsOf = (
  { engines, published, publishedRun, live, vllm }: Fidelity,
  settings: FidelitySettings,
): readonly string[] => [
  ...(engines === undefined ? [] : [engineMarkdown(engines)]),
  ...(published === undefined ? [] : [publishedMarkdown(published, settings.seeds)]),
  ...(publishedRun === undefined ? [] : [publishedRunMarkdown(publishedRun)]),
  ...(live === undefined ? [] : [liveMarkdown(live, settings)]),
  ...(vllm === undefined ? [] : [vllmMarkdown(vllm)]),
];
