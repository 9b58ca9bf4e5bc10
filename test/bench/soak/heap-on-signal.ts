/** Preloaded into a process: at SIGUSR2 it collects its garbage and writes to standard error what is left. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const BYTES_PER_MIB = 1_024 * 1_024;

// Node takes the flag on its command line alone, which is not this file's.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

process.on('SIGUSR2', () => {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`heap in use: ${((heapUsed + external) / BYTES_PER_MIB).toFixed(1)} MiB\n`);
});
