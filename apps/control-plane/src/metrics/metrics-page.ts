import { statusTable, toDomainError, type Telemetry } from '@holdfast/platform';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { bearerToken, type Authenticator } from '../identity/authenticator.js';
import { isService } from '../identity/identity.js';
import { serviceOnly } from '../identity/identity-errors.js';
import { requireOwnPage } from '../identity/own-page.js';
import type { ServiceJobs } from '../jobs/service-jobs.js';
import type { ControlPlane } from '../lifecycle/control-plane.js';
import type { Storage } from '../persistence/storage.js';
import type { ProgramServices } from '../programs/program-services.js';
import type { ServiceMetrics } from './service-metrics.js';
import type { ServiceState } from './service-state.js';

/** What the page is made from. */
export interface MetricsPageOptions {
  readonly metrics: ServiceMetrics;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  /** What is true now; null in a process that has no state to tell. */
  readonly state: () => Promise<ServiceState | null>;
}

/**
 * `GET /metrics`. With HOLDFAST_AUTH=keys it is for operators and admins of the default tenant: it counts over all
 * tenants.
 */
export const metricsPage =
  ({ authenticator, metrics, logger, state }: MetricsPageOptions) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    const answer = async (): Promise<string> => {
      requireOwnPage(request, { areKeysAsked: authenticator.isOn });
      const identity = await authenticator.authenticate(bearerToken(request.headers.authorization));
      if (!isService(identity)) throw serviceOnly(identity);
      return metrics.page(await state());
    };
    answer().then(
      (page) => response.writeHead(200, { 'content-type': metrics.contentType }).end(page),
      (cause: unknown) => {
        const { kind, reason, message } = toDomainError(cause);
        const { http: status } = statusTable[kind];
        if (status >= 500) logger.error({ err: cause }, 'the metrics page failed');
        const body = JSON.stringify({ title: reason, status, detail: message, reason });
        response.writeHead(status, { 'content-type': 'application/problem+json' }).end(body);
      },
    );
  };

/** A store of jobs that is away must not take the page with it: a scrape has 10 s by default. */
const JOBS_DEADLINE_MS = 2_000;

const jobCounts = async (jobs: ServiceJobs): Promise<ServiceState['jobs']> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), JOBS_DEADLINE_MS);
  });
  try {
    return await Promise.race([jobs.queue.counts(), late]);
  } catch {
    return null; // Seen as absent values; the queue logs why.
  } finally {
    clearTimeout(timer);
  }
};

/** What a serving process's state is read from. */
export interface StateSources {
  readonly services: ProgramServices;
  readonly storage: Storage;
  readonly jobs: ServiceJobs;
  readonly controlPlane: ControlPlane;
  readonly telemetry: Telemetry;
}

/** Reads what is true of a serving process now. */
export const readState = async ({
  services,
  storage,
  jobs,
  controlPlane,
  telemetry,
}: StateSources): Promise<ServiceState> => ({
  checks: controlPlane.status,
  isLeaseHeld: storage.lease.isHeld,
  engines: services.pool.engines.presence,
  pool: services.pool.view(),
  pinsHeld: services.pool.pinsHeld,
  jobs: await jobCounts(jobs),
  journalRows: storage.journal.depth,
  spans: telemetry.stats(),
});
