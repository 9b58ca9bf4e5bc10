// Sets up clients and gateways that others wrote, to be run against Holdfast. Node built-ins only. Run it again at any
// time: what is there stays, what was interrupted goes on. See tools/clients/README.md.
import { performSteps, reportSteps } from '../vllm/lib/set-up.mjs';
import { findPython } from '../vllm/lib/python.mjs';
import { clientSteps, gatewaySteps } from './lib/install-steps.mjs';
import { layout } from './lib/paths.mjs';

const USAGE = `usage: node tools/clients/setup.mjs [--gateways] [--check]
  --gateways  the gateways of npm run bench:gateways instead of the clients of npm run test:clients
  --check     say what is there, change nothing; exit 1 when something is missing
environment: HOLDFAST_CLIENTS_CACHE (folder), HOLDFAST_VLLM_PYTHON (interpreter)`;

const args = process.argv.slice(2);

const main = async () => {
  const unknown = args.find((arg) => !['--gateways', '--check', '--help'].includes(arg));
  if (unknown !== undefined) throw new Error(`unknown option "${unknown}"\n${USAGE}`);
  if (args.includes('--help')) return console.error(USAGE);
  const isCheck = args.includes('--check');
  const places = layout();
  const stepsOf = args.includes('--gateways') ? gatewaySteps : clientSteps;
  const steps = stepsOf(places, isCheck ? '' : findPython());
  const missing = reportSteps(steps, places);
  if (isCheck) process.exitCode = missing.length > 0 ? 1 : 0;
  else await performSteps(steps, places);
  return undefined;
};

main().catch((error) => {
  console.error(`set-up failed: ${error.message}`);
  process.exitCode = 1;
});
