import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module.js';
import type { Config } from './config/config.js';
import type { Foundation } from './foundation.module.js';
import { Authenticator } from './identity/authenticator.js';
import { readTls, type TlsFiles } from './identity/tls.js';
import { ServiceJobs } from './jobs/service-jobs.js';
import { ControlPlane } from './lifecycle/control-plane.js';
import { countRequests } from './metrics/count-requests.js';
import { metricsPage, readState } from './metrics/metrics-page.js';
import { ServiceMetrics } from './metrics/service-metrics.js';
import { serveBefore } from './http/serve-before.js';
import { openAiRoutes } from './openai/openai-routes.js';
import { RegisteredEngines } from './engines/registered-engines.js';
import type { Storage } from './persistence/storage.js';
import { PolicyService } from './policies/policy-service.js';
import { ProgramServices } from './programs/program-services.js';
import { restContext } from './rest/rest-context.js';
import { restRoutes } from './rest/rest-routes.js';
import { STORAGE } from './tokens.js';
import { StatisticsKeeper } from './statistics/statistics-keeper.js';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';

/** Longer than clients and proxies keep an idle connection: who closes first must not be this side, amid a request. */
const HTTP_KEEP_ALIVE_MS = 75_000;

/** A running control plane. */
export interface RunningControlPlane {
  /** Where ProgramService is served, as host:port. */
  readonly grpcAddress: string;
  /** Where health is served, as host:port. */
  readonly httpAddress: string;
  readonly policies: PolicyService;
  readonly statistics: StatisticsKeeper;
  readonly jobs: ServiceJobs;
  /** Stops in order (see lifecycle/control-plane.ts). May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts the service in this process. When it resolves, both ports serve and each engine was tried once.
 *
 * @throws Error when the database, the lease or a port cannot be had; what had started is stopped again.
 */
export const startControlPlane = async (foundation: Foundation): Promise<RunningControlPlane> => {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.of(foundation), {
    logger: false,
    abortOnError: false,
    ...httpsOptions(foundation.config),
    // After the service's own stop: a client that reads nothing must not keep the process.
    forceCloseConnections: true,
  });
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopping ??= app.close());
  try {
    const { host, port } = foundation.config.HOLDFAST_HTTP_ADDRESS;
    app.disable('x-powered-by');
    serveMetrics(app, foundation);
    app.use(
      '/api',
      restRoutes({
        context: restContext({
          services: app.get(ProgramServices, { strict: false }),
          authenticator: app.get(Authenticator, { strict: false }),
          engines: app.get(RegisteredEngines, { strict: false }),
          database: app.get<Storage>(STORAGE, { strict: false }).database,
          policies: app.get(PolicyService, { strict: false }),
          learned: app.get(StatisticsKeeper, { strict: false }),
          jobs: app.get(ServiceJobs, { strict: false }),
        }),
        logger: foundation.logger,
        requestsPerSecond: foundation.config.HOLDFAST_REST_RATE,
      }),
    );
    const server = app.getHttpServer() as HttpServer;
    server.keepAliveTimeout = HTTP_KEEP_ALIVE_MS;
    serveOpenAi(server, app, foundation);
    await app.listen(port, host);
    const { grpcAddress } = app.get(ControlPlane);
    if (grpcAddress === null) throw new Error('the gRPC server was not started');
    return {
      grpcAddress,
      httpAddress: httpAddressOf(app, host),
      policies: app.get(PolicyService, { strict: false }),
      statistics: app.get(StatisticsKeeper, { strict: false }),
      jobs: app.get(ServiceJobs, { strict: false }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};

/**
 * Below /v1, before Express: it gives requests and answers other prototypes, which makes whatever Node does with them
 * slower, and agents wait for each token.
 */
const serveOpenAi = (server: HttpServer, app: NestExpressApplication, { config, logger }: Foundation): void => {
  const count = countRequests(app.get(ServiceMetrics, { strict: false }));
  const answer = openAiRoutes({
    services: app.get(ProgramServices),
    authenticator: app.get(Authenticator, { strict: false }),
    logger,
    maxBodyBytes: config.HOLDFAST_MAX_MESSAGE,
    idleLimit: config.HOLDFAST_OPENAI_IDLE_LIMIT,
  });
  serveBefore(server, {
    isOwn: (path) => path === '/v1' || path.startsWith('/v1/'),
    answer: (request, response) => count(request, response, () => answer(request, response)),
  });
};

/** Counts every request that Express answers, and serves the page of the counts. */
const serveMetrics = (app: NestExpressApplication, { telemetry, logger }: Foundation): void => {
  const metrics = app.get(ServiceMetrics, { strict: false });
  app.use(countRequests(metrics));
  const sources = {
    services: app.get(ProgramServices, { strict: false }),
    storage: app.get<Storage>(STORAGE, { strict: false }),
    jobs: app.get(ServiceJobs, { strict: false }),
    controlPlane: app.get(ControlPlane),
    telemetry,
  };
  const authenticator = app.get(Authenticator, { strict: false });
  app.use('/metrics', metricsPage({ metrics, authenticator, logger, state: () => readState(sources) }));
};

const httpsOptions = (config: Config): { readonly httpsOptions?: TlsFiles } => {
  const tls = readTls(config);
  return tls === null ? {} : { httpsOptions: tls };
};

const httpAddressOf = (app: INestApplication, host: string): string => {
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
};
