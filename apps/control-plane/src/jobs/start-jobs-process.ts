/** A process with the role `jobs` alone: it holds no pool and serves nobody, but says over HTTP how it is. */
import { ApiKeyRepository, applyMigrations, Database } from '@holdfast/persistence';
import { runShutdown, systemClock, type Clock } from '@holdfast/platform';
import { seconds } from '@holdfast/scheduling';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { Authenticator } from '../identity/authenticator.js';
import { readTls } from '../identity/tls.js';
import { metricsPage } from '../metrics/metrics-page.js';
import { ServiceMetrics } from '../metrics/service-metrics.js';
import { jobWork } from './job-work.js';
import { ServiceJobs } from './service-jobs.js';

/** A running one. */
export interface JobsProcess {
  /** Where `/health/live`, `/health/startup`, `/health/ready` and `/metrics` are, as host:port. */
  readonly httpAddress: string;
  stop(): Promise<void>;
}

/** @throws Error when the database, the store of the queue or the port cannot be had; what had started is stopped again. */
export const startJobsProcess = async (
  config: Config,
  { logger, clock }: { readonly logger: Logger; readonly clock: Clock },
): Promise<JobsProcess> => {
  const { DATABASE_URL: url, REDIS_URL: redisUrl, HOLDFAST_HTTP_ADDRESS: address } = config;
  // `readConfig` asks for it: an embedded database belongs to the process that serves callers.
  if (url === undefined) throw new Error('DATABASE_URL is (not set); allowed: set, since HOLDFAST_ROLES is jobs');
  const database = new Database({ url, logger });
  const store =
    redisUrl === undefined ? ({ kind: 'postgres', url } as const) : ({ kind: 'redis', url: redisUrl } as const);
  const metrics = new ServiceMetrics(['holdfast_job_run_seconds']);
  const jobs = new ServiceJobs({ store, poolId: null, metrics, logger });
  const authenticator = new Authenticator({
    keys: config.HOLDFAST_AUTH === 'off' ? null : new ApiKeyRepository(database),
    wallNow: systemClock().now,
  });
  const health = httpServer(config, {
    check: () => Promise.all([database.ping(), jobs.queue.counts()]),
    // What of the service is true now is on the page of those that serve it.
    page: metricsPage({ metrics, authenticator, logger, state: () => Promise.resolve(null) }),
  });
  const stop = async (): Promise<void> => {
    await runShutdown(
      [
        { name: 'end jobs', deadline: seconds(10), run: () => jobs.close() },
        { name: 'close the database', deadline: seconds(15), run: () => database.close() },
        { name: 'end health', deadline: seconds(2), run: async () => void health.close().closeAllConnections() },
      ],
      logger,
    );
  };
  try {
    await applyMigrations(database);
    await jobs.open();
    const { handlers, concurrency } = jobWork(config, { database, clock });
    await jobs.work(handlers, concurrency);
    health.listen(address.port, address.host);
    await once(health, 'listening');
    const { port } = health.address() as AddressInfo;
    return { httpAddress: `${address.host}:${port}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

interface HttpAnswers {
  readonly check: () => Promise<unknown>;
  readonly page: (request: IncomingMessage, response: ServerResponse) => void;
}

const httpServer = (config: Config, { check, page }: HttpAnswers): Server => {
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.url === '/metrics') return page(request, response);
    if (request.url === '/health/live' || request.url === '/health/startup') return answer(200, { status: 'ok' });
    if (request.url !== '/health/ready') return answer(404, { status: 'unknown' });
    check().then(
      () => answer(200, { status: 'ok' }),
      // Why is in the log of who lost the connection; a probe asks for yes or no.
      () => answer(503, { status: 'unavailable' }),
    );
  };
  const tls = readTls(config);
  return tls === null ? createServer(listener) : createTlsServer(tls, listener);
};
