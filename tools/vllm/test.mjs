// Everything that needs a real vLLM: sets it up, then runs the specs of test/vllm and the plug-in's own engine tests.
// Ends with `N passed, N failed`. With an engine of your own (HOLDFAST_VLLM_URL) only the conformance suite of the driver
// runs, without the cases that restart the engine.
import { join } from 'node:path';
import { finish, runPytest, runSpecs, succeeds } from '../lib/test-runs.mjs';
import { externalEngine } from './lib/external-engine.mjs';
import { layout, repository } from './lib/paths.mjs';

const patterns = process.argv.slice(2);
const isExternal = externalEngine() !== undefined;
if (!succeeds(process.execPath, ['tools/vllm/setup.mjs', '--dev'])) {
  console.error('vLLM could not be set up, so none of these tests ran; what failed is above.');
  finish({ passed: 0, failed: 1 });
}
if (isExternal) {
  finish(runSpecs('vllm', [process.env.HOLDFAST_KV_CONTROL_ADDRESS ? 'plugin-conformance' : 'stock-conformance']));
}
const specs = runSpecs('vllm', patterns);
if (patterns.length > 0) finish(specs);
finish(specs, runPytest(layout().python, ['-m', 'engine', '-v'], { cwd: join(repository, 'apps/vllm-plugin') }));
