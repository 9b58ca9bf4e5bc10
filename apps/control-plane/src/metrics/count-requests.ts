import type { IncomingMessage, ServerResponse } from 'node:http';
import { pathOf } from '../http/serve-before.js';
import type { ServiceMetrics } from './service-metrics.js';

/** What Express adds to a request: the pattern of the route that took it, e.g. `/api/v1/programs/:id`. */
type Routed = IncomingMessage & { readonly originalUrl?: string; readonly route?: { readonly path?: unknown } };

/** Paths that are served before Express's router. */
const ownPaths: readonly string[] = ['/metrics', '/v1/chat/completions', '/v1/completions', '/v1/models'];

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Counts every HTTP request when its answer ends or its caller leaves (code 499), by route pattern, never by path. */
export const countRequests =
  (metrics: ServiceMetrics) =>
  (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const startedAtMs = performance.now();
    response.once('close', () => {
      const route = routeOf(request);
      const method = knownMethods.has(request.method ?? '') ? (request.method as string) : 'other';
      const code = response.writableFinished ? String(response.statusCode) : '499';
      metrics.count('holdfast_http_requests_total', { method, route, code });
      metrics.observe('holdfast_http_request_seconds', (performance.now() - startedAtMs) / 1_000, { route });
    });
    next();
  };

const routeOf = ({ route, url = '', originalUrl = url }: Routed): string => {
  if (typeof route?.path === 'string') return route.path;
  const path = pathOf(originalUrl);
  return ownPaths.find((own) => own === path) ?? 'other';
};
