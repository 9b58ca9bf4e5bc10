#!/usr/bin/env node
import { ConfigError } from '@holdfast/platform';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { describeConfig, readConfig, type Config } from './config/config.js';
import { runService } from './run-service.js';

const usage = `holdfast: the control plane

  node dist/main.js                  serve, configured by HOLDFAST_* (see .env.example)
  node dist/main.js --check-config   print the effective configuration and exit
  node dist/main.js --help           this
`;

/**
 * Bytes of bytecode that a function runs between two looks at whether to optimize it; V8's own default is for programs with
 * loops. Most of what a turn needs runs once a turn, so that a service would come late to its steady speed.
 */
const INTERRUPT_BUDGET_BYTES = 10_000;

/** Prints all problems of the configuration and ends the process with 2, or returns it. */
const configOrExit = (): Config => {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' }, 'check-config': { type: 'boolean' } },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return;
  }
  const config = configOrExit();
  if (values['check-config'] === true) {
    process.stdout.write(`${JSON.stringify(describeConfig(config), null, 2)}\n`);
    return;
  }
  // Everything is written and closed by then. What a library still waits for (the job queue, for a database that is gone)
  // must not keep the process.
  process.exit(await runToEnd(config));
};

const runToEnd = async (config: Config): Promise<number> => {
  try {
    return await runService(config);
  } catch (error) {
    process.stderr.write(
      `the control plane could not start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return 1;
  }
};

setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET_BYTES}`);
await main();
