import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Also in declarations, specs and their fixtures make no figures. */
const CODE_FILE = /(?<!\.(?:spec|fixture)(?:\.d)?)\.(js|ts)$/;

/** A digest of the code that figures come from: kernel, policies, simulation and measurement. Reads those files. */
export const codeDigest = (): string => {
  const hash = createHash('sha256');
  const folders = [
    dirname(fileURLToPath(import.meta.resolve('@holdfast/scheduling'))),
    dirname(fileURLToPath(import.meta.resolve('@holdfast/simulation'))),
    join(dirname(fileURLToPath(import.meta.url)), '..', 'measure'),
    dirname(fileURLToPath(import.meta.url)),
  ];
  for (const folder of folders) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => CODE_FILE.test(name));
    for (const file of files.sort()) hash.update(file).update(readFileSync(join(folder, file)));
  }
  return hash.digest('hex');
};
