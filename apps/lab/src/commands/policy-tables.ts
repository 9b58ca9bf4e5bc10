import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeDigest } from '../cells/code-digest.js';
import { Interrupted, UsageError } from '../cli/exit.js';
import { writeWhole } from '../output/write-files.js';
import { readDocument, writeDocument, type Written } from '../policy-tables/document.js';
import { countCells, runSection, type TableRuns } from '../policy-tables/run-sections.js';
import type { Section } from '../policy-tables/section.js';
import { SECTIONS } from '../policy-tables/sections.js';
import { keptNote, type CommandIo } from './compare.js';

export interface PolicyTablesSettings extends TableRuns {
  /** Names of the sections that are run; the others stay as they are. */
  readonly only: readonly string[];
  /** The document. */
  readonly markdown: string;
}

/** Runs sections of docs/policy-results.md and writes each into the document as soon as it is done. */
export const policyTables = async (
  settings: PolicyTablesSettings,
  { output, progress, signal }: CommandIo,
): Promise<void> => {
  const { markdown, only, out } = settings;
  mkdirSync(out, { recursive: true });
  const chosen = SECTIONS.filter(({ name }) => only.includes(name));
  const code = shortCode();
  const commit = currentCommit();
  progress.expect(chosen.reduce((sum, section) => sum + countCells(section, settings), 0));
  try {
    for (const section of chosen) {
      const found = await runSection(section, settings, { progress, signal });
      const date = new Date().toISOString().slice(0, 10);
      const picture = section.draw?.(found);
      if (picture !== undefined) writeWhole(join(dirname(markdown), picture.file), `${picture.svg}\n`);
      const text = textOf(section, { found: section.write(found), date, commit });
      save(markdown, { name: section.name, date, commit, code, text });
      output.write(`Written: ${section.name} in ${markdown}\n`);
    }
  } catch (error) {
    throw error instanceof Interrupted ? keptNote(out) : error;
  } finally {
    progress.end();
  }
};

/** Says of each section of the document whether its figures come from this code. Returns how many do not. */
export const checkPolicyTables = (markdown: string, output: NodeJS.WritableStream): number => {
  const written = new Map(readSections(markdown).map((section) => [section.name, section]));
  const code = shortCode();
  let older = 0;
  for (const { name } of SECTIONS) {
    const section = written.get(name);
    const isCurrent = section?.code === code;
    if (!isCurrent) older += 1;
    const state = isCurrent ? 'of this code' : 'of other code';
    output.write(
      section === undefined
        ? `${name}: not in ${markdown}\n`
        : `${name}: ${section.date}, commit ${section.commit}, ${state}\n`,
    );
  }
  return older;
};

const CODE_DIGITS = 12;

const shortCode = (): string => codeDigest().slice(0, CODE_DIGITS);

const textOf = (
  { title, compares, knees = {} }: Section,
  { found, date, commit }: { readonly found: string; readonly date: string; readonly commit: string },
): string => {
  const commands = [
    ...Object.values(compares).map((options) => `npm run lab -- compare ${options}`),
    ...Object.values(knees).map((options) => `npm run lab -- knee ${options}`),
  ];
  const block = ['```sh', ...new Set(commands), '```'].join('\n');
  return `## ${title}\n\n${found}\n\nRun on ${date} with commit ${commit}:\n\n${block}`;
};

const readSections = (markdown: string): readonly Written[] =>
  existsSync(markdown) ? readDocument(readFileSync(markdown, 'utf8')) : [];

/** Modifies the document: this section is new, the others stay; all of them in the order of the code. */
const save = (markdown: string, section: Written): void => {
  const all = new Map(readSections(markdown).map((one) => [one.name, one]));
  all.set(section.name, section);
  writeWhole(markdown, writeDocument(SECTIONS.flatMap(({ name }) => all.get(name) ?? [])));
};

/** What `codeDigest` covers. */
const FIGURE_SOURCES = ['libs/scheduling/src', 'libs/simulation/src', 'apps/lab/src/cells', 'apps/lab/src/measure'];

/** Commit of the checkout, with `+` if what the figures come from differs from it. Throws a UsageError where there is none. */
const currentCommit = (): string => {
  const git = (...words: string[]): string => {
    try {
      return execFileSync('git', words, { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' }).trim();
    } catch (error) {
      throw new UsageError(`policy-tables names the commit of its figures, but git says: ${(error as Error).message}`);
    }
  };
  const top = git('rev-parse', '--show-toplevel');
  const changed = git('-C', top, 'status', '--porcelain', '--', ...FIGURE_SOURCES);
  return `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`;
};
