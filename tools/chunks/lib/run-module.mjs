import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { engineFolder, setUp } from './install-steps.mjs';

/** Sets up what is missing, then runs a module of the chunk engine, by default with the small model; exits as it does. */
export const runModule = async (module, args) => {
  const places = await setUp().catch((error) => {
    console.error(`set-up failed: ${error.message}`);
    process.exit(1);
  });
  const isModelNamed = args.some((arg) => arg === '--model' || arg.startsWith('--model='));
  const modelArgs = isModelNamed ? [] : ['--model', places.model];
  // Ctrl-C reaches the whole group: the module ends in its own way, and this process waits for it.
  process.on('SIGINT', () => {});
  const child = spawn(places.python, ['-m', module, ...modelArgs, ...args], {
    stdio: 'inherit',
    env: { ...process.env, PYTHONPATH: `${engineFolder}/src` },
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
};
