import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CompareSettings, ExperimentSettings } from '../experiment/settings.js';
import { writeWhole } from './write-files.js';

const FILE = 'settings.json';
const SCHEMA = 'holdfast.lab.settings/v1';

/** Writes `FOLDER/settings.json`: what the command was told, so that figures can be traced to it. */
export const writeSettings = (folder: string, settings: ExperimentSettings | CompareSettings): void =>
  writeWhole(join(folder, FILE), `${JSON.stringify({ schema: SCHEMA, ...settings }, null, 2)}\n`);

/** What was written there last; null without it. */
export const readSettings = (folder: string): ExperimentSettings | null => {
  const path = join(folder, FILE);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ExperimentSettings) : null;
};
