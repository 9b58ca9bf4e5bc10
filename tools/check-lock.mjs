// `npm ci` fails on other platforms when the lock file lacks their optional packages: every name in
// optionalDependencies must be found by walking up the node_modules folders of the lock file.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const lockFile = fileURLToPath(new URL('../package-lock.json', import.meta.url));
const { packages } = JSON.parse(readFileSync(lockFile, 'utf8'));

const isLocked = (from, name) => {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]) return true;
    if (folder === '') return false;
  }
};

const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
  Object.keys(optionalDependencies)
    .filter((name) => !isLocked(path, name))
    .map((name) => `${path || 'the root'} wants ${name}, which the lock file lacks`),
);
for (const line of missing) console.error(line);
process.exitCode = missing.length === 0 ? 0 : 1;
