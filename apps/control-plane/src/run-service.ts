import { systemClock } from '@holdfast/platform';
import pino from 'pino';
import type { Config } from './config/config.js';
import { engineTargets } from './engine-targets.js';
import { startControlPlane } from './start-control-plane.js';

/**
 * Runs the service until a signal or a failure ends it; returns the exit code. A second signal exits at once.
 * Standard output carries one line, when the service is ready; logs go to standard error.
 */
export const runService = async (config: Config): Promise<number> => {
  const logger = pino({ level: config.HOLDFAST_LOG_LEVEL, base: { pool: config.HOLDFAST_POOL } }, pino.destination(2));
  const end = endOfService();
  const running = await startControlPlane({
    config,
    logger,
    clock: systemClock({ scale: config.HOLDFAST_TIME_SCALE }),
    engines: engineTargets(config),
    flushTelemetry: async () => undefined,
    onFatal: (error) => {
      logger.fatal({ err: error }, 'the service cannot go on');
      end.now(1);
    },
  });
  const { grpcAddress: grpc, httpAddress: http } = running;
  process.stdout.write(`${JSON.stringify({ event: 'ready', grpc, http, pid: process.pid })}\n`);
  const exitCode = await end.reached;
  logger.info({ exitCode }, 'stopping');
  await running.stop();
  return exitCode;
};

interface EndOfService {
  /** Resolves with the exit code. */
  readonly reached: Promise<number>;
  readonly now: (exitCode: number) => void;
}

const endOfService = (): EndOfService => {
  let now: (exitCode: number) => void = () => undefined;
  const reached = new Promise<number>((resolve) => {
    now = resolve;
  });
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) process.exit(signal === 'SIGTERM' ? 143 : 130);
      now(0);
    });
  }
  return { reached, now };
};
