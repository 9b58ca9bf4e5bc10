// The programs that check the files of deploy/. They are kept in ~/.cache/holdfast/deploy (HOLDFAST_DEPLOY_CACHE).
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildGoProgram } from '../lib/go-program.mjs';

const cache = process.env.HOLDFAST_DEPLOY_CACHE || join(homedir(), '.cache', 'holdfast', 'deploy');

const PROMETHEUS = { module: 'github.com/prometheus/prometheus', version: 'v0.316.0', program: 'cmd/promtool' };
const COMPOSE = { module: 'github.com/compose-spec/compose-go/v2', version: 'v2.16.2', program: 'cmd' };

const starts = (file, args) => spawnSync(file, args, { stdio: 'ignore' }).status === 0;

/** Takes promtool out of Debian's package, without installing it. False where that cannot be had. */
const fromDebian = (binary) => {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-promtool-'));
  try {
    const run = (file, args) => spawnSync(file, args, { cwd: scratch, stdio: 'ignore' }).status === 0;
    if (!run('apt-get', ['download', 'prometheus'])) return false;
    const archive = readdirSync(scratch).find((file) => file.endsWith('.deb'));
    if (archive === undefined || !run('dpkg-deb', ['-x', archive, 'package'])) return false;
    copyFileSync(join(scratch, 'package/usr/bin/promtool'), binary);
    return true;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

/**
 * Prometheus's promtool: HOLDFAST_PROMTOOL, that of the PATH, Debian's, or one built from its Go module.
 *
 * @throws Error when there is none; the message says what to do.
 */
export const promtool = async () => {
  const given = process.env.HOLDFAST_PROMTOOL || 'promtool';
  if (starts(given, ['--version'])) return given;
  if (process.env.HOLDFAST_PROMTOOL) throw new Error(`HOLDFAST_PROMTOOL is ${given}, which cannot be started`);
  const binary = join(cache, PROMETHEUS.version, 'promtool');
  if (existsSync(binary)) return binary;
  mkdirSync(join(cache, PROMETHEUS.version), { recursive: true });
  if (fromDebian(binary)) return binary;
  console.error('Building promtool from its Go module: takes several minutes of one core, once ...');
  const instead = 'install Prometheus (its promtool), or name one by HOLDFAST_PROMTOOL';
  await buildGoProgram({ ...PROMETHEUS, binary, instead });
  return binary;
};

/** The reference loader of compose files, built from its Go module. Throws Error without Go. */
export const composeLoader = async () => {
  const binary = join(cache, COMPOSE.version, 'compose');
  if (existsSync(binary)) return binary;
  console.error('Building the loader of compose files from its Go module, once ...');
  await buildGoProgram({ ...COMPOSE, binary, instead: 'check deploy/compose.yaml with `docker compose config`' });
  return binary;
};
