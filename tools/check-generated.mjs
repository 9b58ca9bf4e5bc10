// Generates the proto code into a scratch folder and compares it with what is committed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'holdfast-generated-'));
// buf.gen.yaml writes to ../libs/contracts/src/generated, relative to proto/.
const base = join(scratch, 'proto');
mkdirSync(base);

const filesUnder = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();

try {
  const buf = join(root, 'node_modules/.bin/buf');
  const { status } = spawnSync(buf, ['generate', '-o', base], { cwd: join(root, 'proto'), stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  const committed = join(root, 'libs/contracts/src/generated');
  const fresh = join(scratch, 'libs/contracts/src/generated');
  const names = new Set([...filesUnder(committed), ...filesUnder(fresh)]);
  const read = (folder, name) => {
    try {
      return readFileSync(join(folder, name), 'utf8');
    } catch {
      return undefined; // The file is missing on one side: that is the difference to report.
    }
  };
  const stale = [...names].filter((name) => read(committed, name) !== read(fresh, name));
  for (const name of stale) console.error(`libs/contracts/src/generated/${name} is not what the protos generate`);
  if (stale.length > 0) console.error('run: npm run generate');
  process.exitCode = stale.length === 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
