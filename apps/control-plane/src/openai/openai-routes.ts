/**
 * The OpenAI API on the service's HTTP port, below /v1. Plain Node requests, before the application's own body parser:
 * prompts are long, and every failure has to have OpenAI's shape.
 */
import { DomainError, invalidFields } from '@holdfast/platform';
import type { Duration } from '@holdfast/scheduling';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { pathOf } from '../http/serve-before.js';
import { requireAccess, type Access } from '../identity/access.js';
import { bearerToken, type Authenticator } from '../identity/authenticator.js';
import type { Identity } from '../identity/identity.js';
import { requireOwnPage } from '../identity/own-page.js';
import type { ProgramServices } from '../programs/program-services.js';
import { requireModel } from '../programs/turn-planning.js';
import { answerRequest, sendFailure, type AnswerContext, type Asked } from './answer-request.js';
import { chatQuestion } from './chat-completions.js';
import { parseChatRequest, parseCompletionRequest } from './chat-schema.js';
import { completionQuestion } from './completions.js';
import { ConversationIndex } from './conversation-index.js';
import { HttpSpan } from './http-span.js';
import { requestFailure, type OpenAiFailure } from './openai-error.js';
import { readJsonBody } from './read-body.js';
import { sessionKeyOf } from './session-key.js';

/** Conversations whose program is found by what was said, at most. */
const MAX_CONVERSATIONS = 50_000;

const MAX_CLASS_CHARACTERS = 100;

/** What the routes are built from. */
export interface OpenAiRoutesOptions {
  readonly services: ProgramServices;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly maxBodyBytes: number;
  /** Silence after which a program begun here is ended. */
  readonly idleLimit: Duration;
}

/** One request, of a caller who is known. */
interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly identity: Identity;
  readonly span: HttpSpan;
}

interface Route {
  readonly method: string;
  readonly access: Access;
  readonly handle: (call: Call) => Promise<void> | void;
}

/** Handles every request below /v1. */
export const openAiRoutes = (
  options: OpenAiRoutesOptions,
): ((request: IncomingMessage, response: ServerResponse) => void) => {
  const { services, logger, idleLimit, maxBodyBytes } = options;
  const index = new ConversationIndex({
    maxLanes: MAX_CONVERSATIONS,
    isLive: (programId) => services.book.live(programId) !== undefined,
  });
  const context: AnswerContext = { services, logger, idleLimit, index };
  const routes: Readonly<Record<string, Route>> = {
    '/v1/chat/completions': {
      method: 'POST',
      access: 'run',
      handle: async (call) => {
        const body = await readJsonBody(call.request, maxBodyBytes);
        const asked = askedOf(call);
        await answerRequest(
          context,
          asked,
          shallow(() => chatQuestion(context, asked, parseChatRequest(body))),
        );
      },
    },
    '/v1/completions': {
      method: 'POST',
      access: 'run',
      handle: async (call) => {
        const body = await readJsonBody(call.request, maxBodyBytes);
        const asked = askedOf(call);
        await answerRequest(context, asked, await completionQuestion(context, asked, parseCompletionRequest(body)));
      },
    },
    '/v1/models': { method: 'GET', access: 'read', handle: ({ response }) => sendModels(services, response) },
  };
  const answer = async (route: Route, { request, response, span }: Omit<Call, 'identity'>): Promise<void> => {
    requireOwnPage(request, { areKeysAsked: options.authenticator.isOn });
    // Before the body is read: whoever has no key gets no memory.
    const identity = await options.authenticator.authenticate(bearerToken(request.headers.authorization));
    requireAccess(identity, route.access);
    await route.handle({ request, response, identity, span });
  };
  return (request, response) => {
    // Until a turn's own id takes its place.
    response.setHeader('x-request-id', `req-${randomUUID()}`);
    const path = pathOf(request.url);
    const model = /^\/v1\/models\/(.+)$/.exec(path)?.[1];
    const route = model === undefined ? routes[path] : modelRoute(services, model);
    if (route === undefined) return refuse(response, unknownPath(path));
    if (request.method !== route.method) return refuse(response, wrongMethod(request.method ?? '', route.method));
    const named = model === undefined ? path : '/v1/models/{model}';
    const span = new HttpSpan({ method: route.method, route: named, headers: request.headers });
    response.on('close', () => span.end({ status: response.statusCode, hasAll: response.writableFinished }));
    answer(route, { request, response, span }).catch((error: unknown) => sendFailure(response, error, logger));
  };
};

const askedOf = ({ request, response, identity, span }: Call): Asked => {
  const given = request.headers['x-holdfast-class'];
  return {
    tenantId: identity.tenantId,
    session: sessionKeyOf(request.headers),
    programClass: typeof given === 'string' ? given.slice(0, MAX_CLASS_CHARACTERS) : '',
    span,
    response,
  };
};

/** What is nested more deeply than the stack reaches is the client's mistake. */
const shallow = <Value>(read: () => Value): Value => {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw invalidFields([{ field: '(body)', description: 'is nested too deeply; allowed: about a thousand levels' }]);
  }
};

const sendModels = (services: ProgramServices, response: ServerResponse): void =>
  sendJson(response, { object: 'list', data: [modelBody(services)] });

const modelRoute = (services: ProgramServices, wanted: string): Route => ({
  method: 'GET',
  access: 'read',
  handle: ({ response }) => {
    const body = modelBody(services);
    if (decoded(wanted) === body.id) return sendJson(response, body);
    throw new DomainError({
      kind: 'notFound',
      reason: 'MODEL_NOT_FOUND',
      message: `model ${JSON.stringify(wanted)} is not served here; allowed: ${JSON.stringify(body.id)}`,
    });
  },
});

const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    // No model has a name that cannot be decoded.
    return part;
  }
};

const modelBody = (services: ProgramServices): { readonly id: string } & Readonly<Record<string, string | number>> => {
  const { model, maxContextTokens } = requireModel(services);
  return { id: model, object: 'model', created: 0, owned_by: 'holdfast', max_model_len: maxContextTokens };
};

const sendJson = (response: ServerResponse, body: object): void => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

const refuse = (response: ServerResponse, { status, body, headers }: OpenAiFailure): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

const unknownPath = (path: string): OpenAiFailure =>
  requestFailure(404, {
    message: `nothing is at ${path}; allowed: /v1/chat/completions, /v1/completions, /v1/models`,
    code: 'unknown_url',
  });

const wrongMethod = (given: string, allowed: string): OpenAiFailure => {
  const failure = requestFailure(405, {
    message: `method ${given} is not allowed here; allowed: ${allowed}`,
    code: 'method_not_allowed',
  });
  return { ...failure, headers: { allow: allowed } };
};
