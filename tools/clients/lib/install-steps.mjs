import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { keyOf, runLogged } from '../../vllm/lib/steps.mjs';
import { toolFile } from './paths.mjs';

const OLDEST_GO_MINOR = 21;

/** Go programs, by their packages. Their own go.mod pins everything below them. */
const goPrograms = [
  { name: 'grpcurl', source: 'github.com/fullstorydev/grpcurl/cmd/grpcurl', version: 'v1.9.4', downloadMb: 60 },
  { name: 'vegeta', source: 'github.com/tsenart/vegeta/v12', version: 'v12.13.0', downloadMb: 10 },
];

const digestOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

const pythonStep = ({ places, python, name, title, downloadMb, folder, requirements }) => ({
  name,
  title,
  downloadMb,
  key: keyOf(digestOf(toolFile(requirements))),
  isThere: () => existsSync(join(folder, 'bin', 'python')),
  run: async () => {
    const log = join(places.logs, `${name}.log`);
    await runLogged(python, ['-m', 'venv', '--clear', folder], { log });
    const pip = ['-m', 'pip', '--no-input', '--disable-pip-version-check', 'install', '--no-cache-dir', '--no-deps'];
    await runLogged(join(folder, 'bin', 'python'), [...pip, '-r', toolFile(requirements)], { log });
  },
});

const checkGo = () => {
  const { stdout, error } = spawnSync('go', ['version'], { encoding: 'utf8' });
  const wanted = `Go 1.${OLDEST_GO_MINOR} or newer is needed to build ${goPrograms.map(({ name }) => name).join(' and ')}`;
  if (error !== undefined) throw new Error(`go cannot be started (${error.message}): ${wanted} (https://go.dev/dl)`);
  const [, minor] = /go1\.(\d+)/.exec(stdout) ?? [];
  if (Number(minor) < OLDEST_GO_MINOR) throw new Error(`${wanted}; found: ${stdout.trim()}`);
};

const goStep = (places, { name, source, version, downloadMb }) => ({
  name,
  title: `${name} ${version}, built from its Go module`,
  downloadMb,
  key: keyOf(source, version),
  isThere: () => existsSync(join(places.bin, name)),
  run: async () => {
    checkGo();
    // A workspace or flags of the user's own must not change what is built.
    const env = { GOBIN: places.bin, GOWORK: 'off', GOFLAGS: '', CGO_ENABLED: '0' };
    await runLogged('go', ['install', '-trimpath', `${source}@${version}`], {
      log: join(places.logs, `${name}.log`),
      env,
    });
  },
});

/** What the tests with others' clients need beside the packages of the workspace. */
export const clientSteps = (places, python) => [
  pythonStep({
    places,
    python,
    name: 'clients',
    title: 'openai, litellm and schemathesis for Python',
    downloadMb: 60,
    folder: places.venv,
    requirements: 'requirements.txt',
  }),
  ...goPrograms.map((program) => goStep(places, program)),
];

/** What the comparison of gateways needs. */
export const gatewaySteps = (places, python) => [
  pythonStep({
    places,
    python,
    name: 'gateways',
    title: 'the gateways SMG and litellm',
    downloadMb: 180,
    folder: places.gatewayVenv,
    requirements: 'requirements-gateways.txt',
  }),
];
