// Builds a program from its Go module, inside the module, so by the versions of the module's own go.sum. Needs Go 1.21 or
// newer, which fetches the Go that the module asks for by itself. Node built-ins only.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { runLogged } from '../vllm/lib/steps.mjs';

const OLDEST_GO_MINOR = 21;

/** A workspace or flags of the user's own must not change what is built. */
const goEnv = () => ({ ...process.env, GOWORK: 'off', GOFLAGS: '', CGO_ENABLED: '0' });

/** What `go` says; throws with its own words. `instead` says what to do without Go. */
const go = (args, instead) => {
  const { status, stdout, stderr, error } = spawnSync('go', args, { encoding: 'utf8', env: goEnv() });
  if (error !== undefined) {
    throw new Error(
      `go cannot be started (${error.message}): install Go 1.${OLDEST_GO_MINOR} or newer (https://go.dev/dl), or ${instead}`,
    );
  }
  if (status !== 0) throw new Error(`go ${args.join(' ')} ended with exit ${status}\n${stderr || stdout}`);
  return stdout;
};

const checkGo = (instead) => {
  const found = go(['version'], instead).trim();
  const [, minor] = /go1\.(\d+)/.exec(found) ?? [];
  if (Number(minor) < OLDEST_GO_MINOR) throw new Error(`Go 1.${OLDEST_GO_MINOR} or newer is needed; found: ${found}`);
};

const makeWritable = (folder) => {
  const { status } = spawnSync('chmod', ['-R', 'u+w', folder], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${folder} cannot be made writable`);
};

/**
 * Builds `./<program>` of `module@version` as the file `binary`.
 *
 * @throws Error without Go, or when the build fails; the message says what to do `instead`.
 */
export const buildGoProgram = async ({ module, version, program, binary, instead }) => {
  checkGo(instead);
  mkdirSync(dirname(binary), { recursive: true });
  const { Dir: cached } = JSON.parse(go(['mod', 'download', '-json', `${module}@${version}`], instead));
  // The module cache is read-only, and a build elsewhere would choose other versions.
  const source = `${binary}.src`;
  rmSync(source, { recursive: true, force: true });
  cpSync(cached, source, { recursive: true });
  makeWritable(source);
  const unfinished = `${binary}.new`;
  await runLogged('go', ['-C', source, 'build', '-trimpath', '-o', unfinished, `./${program}`], {
    log: `${binary}.log`,
    env: goEnv(),
  });
  // Moved at its end: an interrupted build leaves no half a program.
  renameSync(unfinished, binary);
  rmSync(source, { recursive: true, force: true });
};
