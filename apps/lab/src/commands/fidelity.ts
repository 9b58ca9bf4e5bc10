import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engineMarkdown, measureEngines, type EngineResult } from '../fidelity/engine-part.js';
import { publishedMarkdown } from '../fidelity/published-markdown.js';
import { measurePublished, type PublishedResult } from '../fidelity/published-part.js';
import { writeWhole } from '../output/write-files.js';
import type { CommandIo } from './compare.js';

/** What the model is held against. */
export const FIDELITY_PARTS = ['engines', 'published'] as const;

export type FidelityPart = (typeof FIDELITY_PARTS)[number];

/** Where the recorded runs of engines are that come with the lab. */
export const BUNDLED_RUNS = fileURLToPath(new URL('../../data/engine-calibration', import.meta.url));

export interface FidelitySettings {
  readonly parts: readonly FidelityPart[];
  /** Folder of the recorded runs. */
  readonly data: string;
  /** Seeds of each point of the published set-ups. */
  readonly seeds: number;
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
}

const INTRODUCTION = `# How far to trust the lab

Written by \`npm run lab -- fidelity --markdown docs/fidelity.md\`; figures come out the same on every machine.
\`fidelity --help\` lists its parts.`;

/** Holds the model against what was measured elsewhere. Prints a document, or writes it. */
export const fidelity = (
  settings: FidelitySettings,
  { output, progress }: Pick<CommandIo, 'output' | 'progress'>,
): Fidelity => {
  const { parts, data, seeds, out, markdown } = settings;
  const engines = parts.includes('engines') ? measureEngines(data) : undefined;
  const published = parts.includes('published') ? measurePublished(seeds, progress) : undefined;
  progress.end();
  const text = [
    INTRODUCTION,
    ...(engines === undefined ? [] : [engineMarkdown(engines)]),
    ...(published === undefined ? [] : [publishedMarkdown(published, seeds)]),
  ].join('\n\n');
  const result: Fidelity = {
    schema: 'holdfast.lab.fidelity/v1',
    ...(engines === undefined ? {} : { engines }),
    ...(published === undefined ? {} : { published }),
  };
  if (out !== null) {
    mkdirSync(out, { recursive: true });
    writeWhole(join(out, 'fidelity.json'), `${JSON.stringify(result, null, 2)}\n`);
  }
  if (markdown === null) output.write(`${text}\n`);
  else {
    mkdirSync(dirname(markdown), { recursive: true });
    writeWhole(markdown, `${text}\n`);
    output.write(`Written: ${markdown}\n`);
  }
  return result;
};
