// Sets up a real vLLM for a machine without a GPU, its gRPC server, a small model and the plug-in. Node built-ins only.
// Run it again at any time: what is there stays, what was interrupted goes on. See tools/vllm/README.md.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { checkReachable, externalEngine } from './lib/external-engine.mjs';
import { installSteps } from './lib/install-steps.mjs';
import { layout } from './lib/paths.mjs';
import { findPython } from './lib/python.mjs';
import { performSteps, reportSteps } from './lib/set-up.mjs';
import { versions } from './lib/versions.mjs';

const USAGE = `usage: node tools/vllm/setup.mjs [--check] [--dev]
  --check  say what is there, change nothing; exit 1 when something is missing
  --dev    also install what the plug-in is tested with
environment: HOLDFAST_VLLM_CACHE (folder), HOLDFAST_VLLM_PYTHON (interpreter), HOLDFAST_VLLM_URL (an engine of your own:
  nothing is installed), HOLDFAST_VLLM_CUDA=1 (keep the 3.4 GB of CUDA libraries and Triton)`;

const known = new Set(['--check', '--dev', '--help']);
const args = process.argv.slice(2);

const say = (message) => console.error(message);

const parseArgs = () => {
  const unknown = args.find((arg) => !known.has(arg));
  if (unknown !== undefined) throw new Error(`unknown option "${unknown}"\n${USAGE}`);
  return {
    isCheck: args.includes('--check'),
    forDevelopment: args.includes('--dev'),
    wantsHelp: args.includes('--help'),
  };
};

const checkPlatform = () => {
  if (process.platform !== 'linux') {
    throw new Error(
      `This set-up is for Linux, and this is ${process.platform}. Run vLLM elsewhere and set HOLDFAST_VLLM_URL=host:port.`,
    );
  }
};

const main = async () => {
  const { isCheck, forDevelopment, wantsHelp } = parseArgs();
  if (wantsHelp) return say(USAGE);
  const external = externalEngine();
  if (external !== undefined) {
    await checkReachable(external);
    return say(`Using the engine at ${external} (HOLDFAST_VLLM_URL); nothing to set up.`);
  }
  checkPlatform();
  const places = layout();
  const steps = installSteps(places, { python: isCheck ? '' : findPython(), forDevelopment });
  const missing = reportSteps(steps, places);
  if (isCheck) {
    if (missing.length > 0) process.exitCode = 1;
    return undefined;
  }
  await performSteps(steps, places);
  statSync(join(places.model, 'config.json'));
  return say(`vLLM ${versions.vllm} is ready. Start it: node tools/vllm/serve.mjs`);
};

main().catch((error) => {
  say(`set-up failed: ${error.message}`);
  process.exitCode = 1;
});
