/**
 * REST on the service's HTTP port, below /api: every request goes the same way from the table of operations to its
 * answer. Plain Node requests, like the OpenAI API: failures have one shape, whatever fails.
 */
import { DomainError, isDomainError } from '@holdfast/platform';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { bearerToken } from '../identity/authenticator.js';
import { DEFAULT_TENANT, mayActAs, type Identity, type Role } from '../identity/identity.js';
import { roleInsufficient, serviceOnly } from '../identity/identity-errors.js';
import { requireOwnPage } from '../identity/own-page.js';
import { docsRoutes } from './docs-page.js';
import { routeFinder } from './find-route.js';
import type { ChangeOperation, Operation, RestCall } from './operation.js';
import { operations } from './operations.js';
import { problemOf } from './problem.js';
import { RateLimits } from './rate-limits.js';
import { etagOf, readCall } from './read-request.js';
import { RepeatedCalls, type KeptAnswer } from './repeated-calls.js';
import type { RestContext } from './rest-context.js';

/** What the routes are built from. */
export interface RestRoutesOptions {
  readonly context: RestContext;
  readonly logger: Logger;
  /** Requests a second that one key may send. */
  readonly requestsPerSecond: number;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
}

/** Handles every request below /api; `request.url` is the path without that. */
export const restRoutes = (
  options: RestRoutesOptions,
): ((request: IncomingMessage, response: ServerResponse) => void) => {
  const { context, logger, requestsPerSecond } = options;
  const find = routeFinder(operations);
  const docs = docsRoutes(operations);
  const limits = new RateLimits({ perSecond: requestsPerSecond, wallNow: context.wallNow });
  const repeated = new RepeatedCalls(context.services);

  const serve = async (exchange: Exchange): Promise<void> => {
    const { request, response } = exchange;
    const url = new URL(request.url ?? '/', 'http://holdfast');
    if (docs(url.pathname, request, response)) return;
    requireOwnPage(request, { areKeysAsked: context.authenticator.isOn });
    const identity = await context.authenticator.authenticate(bearerToken(request.headers.authorization));
    limits.take(identity, (name, value) => response.setHeader(name, value));
    const path = url.pathname.startsWith('/v1/') ? url.pathname.slice('/v1'.length) : null;
    const route = path === null ? ({ type: 'unknown' } as const) : find(request.method ?? '', path);
    if (route.type === 'unknown') throw unknownRoute(url.pathname);
    if (route.type === 'wrongMethod') return refuseMethod(exchange, logger, route.allowed);
    const { operation } = route;
    requireAccess(operation, identity);
    const read = await readCall(operation, request, { params: route.params, query: url.searchParams });
    // The schemas of the operation have just read it.
    const call = { ...read, identity } as RestCall<never, never, never>;
    if (operation.method === 'GET') {
      const answer = await notFoundForBadPage(() => operation.handle(context, call));
      return send(response, { status: 200, body: answer.body, version: answer.version ?? null });
    }
    const effect = (): ReturnType<typeof change> => change(context, operation, { call, requestId: exchange.requestId });
    const key = request.headers['idempotency-key'];
    const operationId = operation.id;
    if (typeof key !== 'string') return send(response, (await effect()).answer);
    send(response, await repeated.once({ operationId, identity, key, read }, effect));
  };

  return (request, response) => {
    const exchange = { request, response, requestId: randomUUID() };
    response.setHeader('x-request-id', exchange.requestId);
    serve(exchange).catch((error: unknown) => sendProblem(exchange, error, logger));
  };
};

/** What an operator is to look at, and what everybody's own things are. @throws DomainError ROLE_INSUFFICIENT. */
const requireAccess = ({ role, isServiceOnly }: Operation, identity: Identity): void => {
  if (!mayActAs(identity, role)) throw roleInsufficient(identity, rolesFrom(role));
  if (isServiceOnly === true && identity.tenantId !== DEFAULT_TENANT) throw serviceOnly(identity);
};

const rolesFrom = (least: Role): readonly Role[] =>
  (['agent', 'viewer', 'operator', 'admin'] as const).filter((role) => mayActAs({ role }, least));

/** Carries a change out and writes it into the audit log. */
const change = async (
  context: RestContext,
  operation: ChangeOperation,
  { call, requestId }: { readonly call: RestCall<never, never, never>; readonly requestId: string },
): Promise<{ readonly answer: KeptAnswer; readonly kept: KeptAnswer }> => {
  const done = await operation.handle(context, call);
  const { tenantId, keyId, role } = call.identity;
  await context.audit.add({
    entryId: randomUUID(),
    at: context.wallNow(),
    tenantId,
    keyId,
    role,
    action: operation.id,
    target: done.change.target,
    ofTenant: done.change.ofTenant,
    details: done.change.details ?? {},
    requestId,
  });
  const answer = { status: operation.status, body: done.body, version: done.version ?? null };
  return { answer, kept: done.repeated === undefined ? answer : { ...answer, body: done.repeated } };
};

/** A token that names no page is a page that is not there. */
const notFoundForBadPage = async <Result>(read: () => Promise<Result>): Promise<Result> => {
  try {
    return await read();
  } catch (error) {
    if (isDomainError(error) && error.fieldViolations.some(({ field }) => field === 'page_token')) {
      throw new DomainError({ kind: 'notFound', reason: 'ROUTE_NOT_FOUND', message: error.message });
    }
    throw error;
  }
};

const unknownRoute = (path: string): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'ROUTE_NOT_FOUND',
    message: `there is nothing at /api${path.slice(0, 200)}; allowed: the operations of /api/openapi.json`,
  });

const refuseMethod = (exchange: Exchange, logger: Logger, allowed: readonly string[]): void => {
  exchange.response.setHeader('allow', allowed.join(', '));
  const message = `the method is ${exchange.request.method}; allowed: ${allowed.join(', ')}`;
  sendProblem(exchange, new DomainError({ kind: 'invalid', reason: 'ROUTE_NOT_FOUND', message }), logger, 405);
};

const send = (response: ServerResponse, { status, body, version }: KeptAnswer): void => {
  response.setHeader('cache-control', 'no-store');
  if (version !== null) response.setHeader('etag', etagOf(version));
  if (status === 204) {
    response.writeHead(204).end();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

const sendProblem = ({ response, requestId }: Exchange, thrown: unknown, logger: Logger, status?: number): void => {
  const problem = problemOf(thrown, { requestId, logger, ...(status === undefined ? {} : { status }) });
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(problem.status, { 'content-type': 'application/problem+json', ...problem.headers });
  response.end(JSON.stringify(problem.body));
};
