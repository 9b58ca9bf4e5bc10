// Sets up the chunk engine's Python environment and the small model. Run it again at any time: what is there stays.
import { layout } from '../vllm/lib/paths.mjs';
import { reportSteps } from '../vllm/lib/set-up.mjs';
import { chunkSteps, setUp } from './lib/install-steps.mjs';

const USAGE = `usage: node tools/chunks/setup.mjs [--check]
  --check  say what is there, change nothing; exit 1 when something is missing
environment: HOLDFAST_VLLM_CACHE (folder), HOLDFAST_VLLM_PYTHON (interpreter), HOLDFAST_VLLM_CUDA=1 (with CUDA libraries)`;

const [option] = process.argv.slice(2);
if (option === '--help') {
  console.error(USAGE);
} else if (option === '--check') {
  const places = layout();
  process.exitCode = reportSteps(chunkSteps(places, { python: '' }), places).length === 0 ? 0 : 1;
} else if (option !== undefined) {
  console.error(`unknown option "${option}"\n${USAGE}`);
  process.exitCode = 1;
} else {
  try {
    const { model } = await setUp();
    console.error(`The chunk engine is ready, with the model in ${model}.`);
  } catch (error) {
    console.error(`set-up failed: ${error.message}`);
    process.exitCode = 1;
  }
}
