/**
 * The OpenAI API on the service's HTTP port, below /v1. Plain Node requests, before the application's own body parser:
 * prompts are long, and every failure has to have OpenAI's shape.
 */
import { DomainError, invalidFields } from '@holdfast/platform';
import type { Duration } from '@holdfast/scheduling';
import { propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { ProgramServices } from '../programs/program-services.js';
import { DEFAULT_TENANT } from '../programs/start-program.js';
import { requireModel } from '../programs/turn-planning.js';
import { answerRequest, sendFailure, type AnswerContext, type Asked } from './answer-request.js';
import { chatQuestion } from './chat-completions.js';
import { parseChatRequest, parseCompletionRequest } from './chat-schema.js';
import { completionQuestion } from './completions.js';
import { ConversationIndex } from './conversation-index.js';
import { requestFailure, type OpenAiFailure } from './openai-error.js';
import { readJsonBody } from './read-body.js';
import { sessionKeyOf } from './session-key.js';

/** Conversations whose program is found by what was said, at most. */
const MAX_CONVERSATIONS = 50_000;

const MAX_CLASS_CHARACTERS = 100;

/** What the routes are built from. */
export interface OpenAiRoutesOptions {
  readonly services: ProgramServices;
  readonly logger: Logger;
  readonly maxBodyBytes: number;
  /** Silence after which a program begun here is ended. */
  readonly idleLimit: Duration;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Handles every request below /v1; `request.url` is the path without that. */
export const openAiRoutes = (
  options: OpenAiRoutesOptions,
): ((request: IncomingMessage, response: ServerResponse) => void) => {
  const { services, logger, idleLimit, maxBodyBytes } = options;
  const index = new ConversationIndex({ maxLanes: MAX_CONVERSATIONS });
  const context: AnswerContext = { services, logger, idleLimit, index, pendingStarts: new Map() };
  const routes: Readonly<Record<string, { readonly method: string; readonly handle: Handler }>> = {
    '/chat/completions': {
      method: 'POST',
      handle: async (request, response) => {
        const body = await readJsonBody(request, maxBodyBytes);
        const asked = askedOf(request, response);
        await answerRequest(
          context,
          asked,
          shallow(() => chatQuestion(context, asked, parseChatRequest(body))),
        );
      },
    },
    '/completions': {
      method: 'POST',
      handle: async (request, response) => {
        const body = await readJsonBody(request, maxBodyBytes);
        const asked = askedOf(request, response);
        await answerRequest(context, asked, await completionQuestion(context, asked, parseCompletionRequest(body)));
      },
    },
    '/models': { method: 'GET', handle: async (_request, response) => sendModels(services, response) },
  };
  return (request, response) => {
    const path = (request.url ?? '/').replace(/[?#].*$/, '').replace(/\/+$/, '');
    const model = /^\/models\/(.+)$/.exec(path)?.[1];
    const route = model === undefined ? routes[path] : modelRoute(services, model);
    if (route === undefined) return refuse(response, unknownPath(path));
    if (request.method !== route.method) return refuse(response, wrongMethod(request.method ?? '', route.method));
    route.handle(request, response).catch((error: unknown) => sendFailure(response, error, logger));
  };
};

const askedOf = (request: IncomingMessage, response: ServerResponse): Asked => {
  const given = request.headers['x-holdfast-class'];
  return {
    tenantId: DEFAULT_TENANT,
    session: sessionKeyOf(request.headers),
    programClass: typeof given === 'string' ? given.slice(0, MAX_CLASS_CHARACTERS) : '',
    caller: { context: propagation.extract(ROOT_CONTEXT, request.headers) },
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

const modelRoute = (
  services: ProgramServices,
  wanted: string,
): { readonly method: string; readonly handle: Handler } => ({
  method: 'GET',
  handle: async (_request, response) => {
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
    message: `nothing is at /v1${path}; allowed: /v1/chat/completions, /v1/completions, /v1/models`,
    code: 'unknown_url',
  });

const wrongMethod = (given: string, allowed: string): OpenAiFailure => {
  const failure = requestFailure(405, {
    message: `method ${given} is not allowed here; allowed: ${allowed}`,
    code: 'method_not_allowed',
  });
  return { ...failure, headers: { allow: allowed } };
};
