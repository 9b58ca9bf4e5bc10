// Runs the Prisma command line offline: `node libs/persistence/tools/prisma.mjs generate`.
//
// The command line wants to download a schema engine that generate, validate and format never run. Naming any
// executable stops the download. It is `false` and not `true`: a command that does need the engine must fail.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const engine = ['/bin/false', '/usr/bin/false'].find((path) => existsSync(path)) ?? process.execPath;
const cli = join(dirname(createRequire(import.meta.url).resolve('prisma/package.json')), 'build', 'index.js');

const { status } = spawnSync(process.execPath, [cli, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: engine,
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  },
});
process.exitCode = status ?? 1;
