import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CompareSettings, ExperimentSettings } from '../experiment/settings.js';
import { writeWhole } from './write-files.js';

const FILE = 'settings.json';
const SCHEMA = 'holdfast.lab.settings/v1';

/**
 * Writes `FOLDER/settings.json`: what the command was told, so that figures can be traced to it. Who ran it is not part
 * of it: figures do not depend on it, and the URL of a queue may hold a password.
 */
export const writeSettings = (folder: string, settings: ExperimentSettings | CompareSettings): void => {
  const { queue: _queue, workers: _workers, out: _out, ...told } = settings;
  writeWhole(join(folder, FILE), `${JSON.stringify({ schema: SCHEMA, ...told }, null, 2)}\n`);
};

/** Policies that were asked for there last, in order; empty where nobody wrote them down. */
export const readPolicies = (folder: string): readonly string[] => {
  const path = join(folder, FILE);
  if (!existsSync(path)) return [];
  return (JSON.parse(readFileSync(path, 'utf8')) as Pick<ExperimentSettings, 'policies'>).policies;
};
