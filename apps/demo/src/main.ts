#!/usr/bin/env node
import { constants } from 'node:os';
import { readOptions } from './options.js';
import { runDemo } from './run-demo.js';

/** A signal asked the demo to end. */
class Interrupted extends Error {
  constructor(readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`interrupted by ${signal}`);
  }
}

const options = readOptions(process.argv.slice(2));
const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (abort.signal.aborted) return;
    process.stderr.write(`\n${signal}: stopping all processes ...\n`);
    abort.abort(new Interrupted(signal));
  });
}

try {
  await runDemo(options, abort.signal);
} catch (error) {
  const { reason } = abort.signal as { readonly reason: unknown };
  if (reason instanceof Interrupted) {
    process.stderr.write('Stopped; nothing was left behind.\n');
    process.exitCode = 128 + constants.signals[reason.signal];
  } else {
    process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
