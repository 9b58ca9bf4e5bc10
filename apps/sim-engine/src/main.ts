#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { startTelemetry, systemClock } from '@holdfast/platform';
import { pino } from 'pino';
import { CliOptionsError, readCliOptions } from './cli-options.js';
import { commandLine } from './command-line.js';
import { startSimEngine } from './sim-engine.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

/** The peers of a stopping engine get one second; what is not over after this has a bug, and ends all the same. */
const STOP_DEADLINE_MS = 1_800;

const run = async (): Promise<void> => {
  const options = readCliOptions(commandLine(version).parse().opts());
  const { host, port, timeScale, logLevel, otlpEndpoint, engine: settings } = options;
  const logger = pino({ level: logLevel, name: 'sim-engine' }, pino.destination(2));
  const telemetry = startTelemetry({
    serviceName: 'holdfast-sim-engine',
    serviceVersion: version,
    ...(otlpEndpoint === undefined ? {} : { endpoint: otlpEndpoint }),
  });
  const engine = await startSimEngine({
    settings,
    host,
    port,
    version,
    logger,
    clock: systemClock({ scale: timeScale }),
  });
  const { stepTime: _, ...figures } = settings;
  logger.info({ address: engine.address, timeScale, ...figures }, 'engine serves');
  process.stdout.write(
    `${JSON.stringify({ event: 'ready', address: engine.address, epoch: engine.epoch, pid: process.pid })}\n`,
  );

  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, 'engine stops');
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    // Spans that the receiver does not take in this time are given up with the process.
    void engine
      .close()
      .then(() => telemetry.shutdown())
      .then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
};

try {
  await run();
} catch (error) {
  const problems = error instanceof CliOptionsError ? error.problems : [(error as Error).message];
  process.stderr.write(problems.map((problem) => `error: ${problem}\n`).join(''));
  process.exitCode = error instanceof CliOptionsError ? 2 : 1;
}
