// `npm run bench:gateways`: sets up the gateways that others wrote if needed, then measures them beside Holdfast.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { layout, repository } from './lib/paths.mjs';

const run = (args, env = {}) =>
  spawnSync(process.execPath, args, {
    stdio: 'inherit',
    // The service refuses settings of its prefix that it does not know.
    env: { ...process.env, HOLDFAST_CLIENTS_CACHE: undefined, ...env },
  }).status ?? 1;

const setup = [join(repository, 'tools/clients/setup.mjs'), '--gateways'];
const isSetUp = run(setup, { HOLDFAST_CLIENTS_CACHE: process.env.HOLDFAST_CLIENTS_CACHE }) === 0;
const bench = [join(repository, 'test/dist/bench/gateways/main.js'), ...process.argv.slice(2)];
process.exitCode = isSetUp ? run(bench, { GATEWAYS_BIN: join(layout().gatewayVenv, 'bin') }) : 1;
