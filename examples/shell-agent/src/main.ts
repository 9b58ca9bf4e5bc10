#!/usr/bin/env node
/** Runs the shell agent against a Holdfast service; `--help` says how. */
import { Holdfast, isHoldfastError } from '@holdfast/sdk';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runAgent } from './agent.js';

const help = `usage: holdfast-shell-agent [options]

  --address HOST:PORT     the service (default 127.0.0.1:7070)
  --model NAME            default: the only pool there is
  --task TEXT             what the model is asked to do
  --turns N               turns at most, 1 to 100 (default 6)
  --max-tokens N          output tokens of a turn at most (default 128)
  --timeout SECONDS       a command is given up after this (default 30)
  --run-model-commands    run what the model writes in a bash block. It runs as you, with your rights: use a container.
                          Without it, and when there is no block, commands come from a fixed list.
`;

const { values } = parseArgs({
  options: {
    address: { type: 'string', default: '127.0.0.1:7070' },
    model: { type: 'string' },
    task: { type: 'string', default: 'Find out what machine this is and whether it can sort.' },
    turns: { type: 'string', default: '6' },
    'max-tokens': { type: 'string', default: '128' },
    timeout: { type: 'string', default: '30' },
    'run-model-commands': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const integer = (name: 'turns' | 'max-tokens' | 'timeout', max: number): number => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new RangeError(`--${name} is ${values[name]}; allowed: integers from 1 to ${max}`);
};

const main = async (): Promise<void> => {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort(new Error('interrupted')));
  const holdfast = new Holdfast({ address: values.address });
  const directory = await mkdtemp(join(tmpdir(), 'shell-agent-'));
  try {
    await runAgent({
      holdfast,
      ...(values.model === undefined ? {} : { model: values.model }),
      task: values.task,
      turns: integer('turns', 100),
      maxTokens: integer('max-tokens', 1_000_000),
      commandTimeoutMs: integer('timeout', 86_400) * 1_000,
      directory,
      modelCommands: values['run-model-commands'] ? 'run' : 'ignore',
      signal: abort.signal,
      print: (line) => console.log(line),
    });
  } finally {
    holdfast.close();
    await rm(directory, { recursive: true, force: true });
  }
};

if (values.help) {
  console.log(help);
} else {
  await main().catch((error: unknown) => {
    const reason = isHoldfastError(error) && error.reason !== undefined ? ` (${error.reason})` : '';
    console.error(`${error instanceof Error ? error.message : String(error)}${reason}`);
    process.exitCode = 1;
  });
}
