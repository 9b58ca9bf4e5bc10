/** A process with the role `jobs` alone: it holds no pool and serves nobody, but says over HTTP whether it is well. */
import { applyMigrations, Database } from '@holdfast/persistence';
import { runShutdown, type Clock } from '@holdfast/platform';
import { seconds } from '@holdfast/scheduling';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { jobWork } from './job-work.js';
import { ServiceJobs } from './service-jobs.js';

/** A running one. */
export interface JobsProcess {
  /** Where `/health/live`, `/health/startup` and `/health/ready` are, as host:port. */
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
  const jobs = new ServiceJobs({ store, logger });
  const health = healthServer(() => Promise.all([database.ping(), jobs.queue.counts()]));
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

const healthServer = (check: () => Promise<unknown>): Server =>
  createServer((request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.url === '/health/live' || request.url === '/health/startup') return answer(200, { status: 'ok' });
    if (request.url !== '/health/ready') return answer(404, { status: 'unknown' });
    check().then(
      () => answer(200, { status: 'ok' }),
      // Why is in the log of who lost the connection; a probe asks for yes or no.
      () => answer(503, { status: 'unavailable' }),
    );
  });
