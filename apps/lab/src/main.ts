#!/usr/bin/env node
import { createCli } from './cli/cli.js';
import { exitCodeOf } from './cli/exit.js';

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());

try {
  await createCli(abort.signal).parseAsync(process.argv);
} catch (error) {
  const code = exitCodeOf(error);
  // What the caller can mend is one line; anything else shows where it came from.
  const text = error instanceof Error ? (code === 1 ? (error.stack ?? error.message) : error.message) : String(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = code;
}
