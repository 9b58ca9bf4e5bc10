import { createLogger, onShutdownSignal, startTelemetry, systemClock } from '@holdfast/platform';
import type { Config } from './config/config.js';
import { chunkEngineTargets, engineOpener } from './engine-targets.js';
import { startJobsProcess } from './jobs/start-jobs-process.js';
import { startControlPlane, type RunningControlPlane } from './start-control-plane.js';

const SERVICE = 'holdfast-control-plane';

/**
 * Runs the service until a signal or a failure ends it; returns the exit code. A second signal exits at once.
 * Standard output carries one line, when the service is ready; logs go to standard error.
 */
export const runService = async (config: Config): Promise<number> => {
  const logger = createLogger({ service: SERVICE, level: config.HOLDFAST_LOG_LEVEL });
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const telemetry = startTelemetry({
    serviceName: SERVICE,
    sampleRatio: config.HOLDFAST_TRACE_RATIO,
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  const signal = onShutdownSignal();
  let fail: (exitCode: number) => void = () => undefined;
  const failed = new Promise<number>((resolve) => {
    fail = resolve;
  });
  const openEngine = engineOpener(config);
  const clock = systemClock({ scale: config.HOLDFAST_TIME_SCALE });
  const serve = (): ReturnType<typeof startControlPlane> =>
    startControlPlane({
      config,
      logger,
      clock,
      engines: [...config.HOLDFAST_ENGINES.map(openEngine), ...chunkEngineTargets(config)],
      openEngine,
      telemetry,
      onFatal: (error) => {
        logger.fatal({ err: error }, 'the service cannot go on');
        fail(1);
      },
    });
  const work = async (): Promise<
    Pick<RunningControlPlane, 'httpAddress' | 'stop'> & { readonly grpcAddress: null }
  > => ({
    ...(await startJobsProcess(config, { logger, clock })),
    grpcAddress: null,
  });
  const running = await (config.HOLDFAST_ROLES.includes('api') ? serve() : work());
  const { grpcAddress: grpc, httpAddress: http } = running;
  process.stdout.write(`${JSON.stringify({ event: 'ready', grpc, http, pid: process.pid })}\n`);
  const exitCode = await Promise.race([signal.received.then(() => 0), failed]);
  logger.info({ exitCode }, 'stopping');
  await running.stop();
  if (grpc === null) await telemetry.shutdown();
  signal.stopListening();
  return exitCode;
};
