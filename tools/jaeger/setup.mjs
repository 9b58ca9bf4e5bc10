// Builds a real Jaeger v2 from its Go module, once, into ~/.cache/holdfast/jaeger. Needs Go 1.21 or newer (which fetches
// the Go that the module asks for by itself) and about 2 GB for its caches. With a Jaeger of your own
// (HOLDFAST_JAEGER_URL) nothing is built. Node built-ins only.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runLogged } from '../vllm/lib/steps.mjs';
import { externalJaeger, whyNotServing } from './lib/external-jaeger.mjs';
import { layout, MODULE, VERSION } from './lib/paths.mjs';

const OLDEST_GO_MINOR = 21;

const say = (message) => console.error(message);

/** What `go` says; rejects with its own words. */
const go = (...args) => {
  const { status, stdout, stderr, error } = spawnSync('go', args, { encoding: 'utf8', env: goEnv() });
  if (error !== undefined) {
    throw new Error(
      `go cannot be started (${error.message}): install Go 1.${OLDEST_GO_MINOR} or newer (https://go.dev/dl), or set ` +
        'HOLDFAST_JAEGER_URL=http://host:16686 to use a Jaeger of your own',
    );
  }
  if (status !== 0) throw new Error(`go ${args.join(' ')} ended with exit ${status}\n${stderr || stdout}`);
  return stdout;
};

/** A workspace or flags of the user's own must not change what is built. */
const goEnv = () => ({ ...process.env, GOWORK: 'off', GOFLAGS: '', CGO_ENABLED: '0' });

const checkGo = () => {
  const found = go('version').trim();
  const [, minor] = /go1\.(\d+)/.exec(found) ?? [];
  if (Number(minor) < OLDEST_GO_MINOR) throw new Error(`Go 1.${OLDEST_GO_MINOR} or newer is needed; found: ${found}`);
};

const build = async (places) => {
  checkGo();
  mkdirSync(places.folder, { recursive: true });
  say(`Downloading ${MODULE}@${VERSION} ...`);
  const { Dir: module } = JSON.parse(go('mod', 'download', '-json', `${MODULE}@${VERSION}`));
  // The module cache is read-only, and a build inside the module takes the versions of its own go.sum.
  rmSync(places.source, { recursive: true, force: true });
  cpSync(module, places.source, { recursive: true });
  makeWritable(places.source);
  say('Building Jaeger: downloads about 300 MB and takes 3 to 8 minutes, once ...');
  const unfinished = join(places.folder, 'jaeger.new');
  await runLogged('go', ['-C', places.source, 'build', '-trimpath', '-o', unfinished, './cmd/jaeger'], {
    log: places.log,
    env: goEnv(),
  });
  // Moved at its end: an interrupted build leaves no half a program.
  renameSync(unfinished, places.binary);
  rmSync(places.source, { recursive: true, force: true });
};

/** The folders alone: that is enough to delete them later. */
const makeWritable = (folder) => {
  const { status } = spawnSync('chmod', ['-R', 'u+w', folder], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${folder} cannot be made writable`);
};

const main = async () => {
  const external = externalJaeger();
  if (external !== undefined) {
    const why = await whyNotServing(external);
    if (why !== undefined) throw new Error(`the Jaeger of HOLDFAST_JAEGER_URL does not serve: ${why}`);
    return say(`Using the Jaeger at ${external.query} (HOLDFAST_JAEGER_URL); nothing to build.`);
  }
  const places = layout();
  if (!existsSync(places.binary)) {
    const started = Date.now();
    await build(places);
    say(`Jaeger is built in ${((Date.now() - started) / 1_000).toFixed(0)} s: ${places.binary}`);
  }
  return undefined;
};

main().catch((error) => {
  say(`Jaeger could not be set up: ${error.message}`);
  process.exitCode = 1;
});
