/** The OpenAPI 3.1 document, written from the table of operations: what is served is what is described. */
import { z } from 'zod';
import type { Operation } from './operation.js';
import './problem.js';
import { versionPattern } from './read-request.js';
import { keyPattern } from './repeated-calls.js';
import { namedSchemas } from './schemas/named.js';

type Json = { readonly [key: string]: unknown };

const problemTexts: Readonly<Record<number, string>> = {
  400: 'The request is malformed: `violations` names each field, its value and what is allowed.',
  401: 'No API key, or one that is no good.',
  403: "The key's role or tenant does not allow the operation.",
  404: 'There is no such thing: for this caller it does not exist, whoever else has one of that name.',
  409: 'Something has the id already, or its state does not allow the change.',
  412: 'It has changed since the version in If-Match.',
  413: 'The body is too large.',
  422: 'The Idempotency-Key was used before for another call, or a text names no policy.',
  428: 'If-Match is missing.',
  429: 'Too many requests, or a limit of the tenant; Retry-After says when to try again.',
  500: 'A bug of the service; its log has the cause.',
  503: 'The database or an engine is away; try again.',
  504: 'An engine did not answer in time.',
};

/** Pure. The document. */
export const openApiDocument = (operations: readonly Operation[]): Json => ({
  openapi: '3.1.0',
  info: {
    title: 'Holdfast',
    version: '1.0.0',
    description: 'Looks up, explains and steers agent programs, and operates the service.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/api/v1' }],
  security: [{ apiKey: [] }],
  tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
  paths: pathsOf(operations),
  components: {
    schemas: componentSchemas(),
    securitySchemes: {
      apiKey: {
        type: 'http',
        scheme: 'bearer',
        description: 'An API key: hf_... Not asked for with HOLDFAST_AUTH=off.',
      },
    },
  },
});

const pathsOf = (operations: readonly Operation[]): Json => {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations) {
    const path = (paths[operation.path] ??= {});
    path[operation.method.toLowerCase()] = operationObject(operation);
  }
  return paths;
};

const operationObject = (operation: Operation): Json => {
  const who = `Needs the role ${operation.role}${operation.isServiceOnly === true ? ', of the default tenant' : ''}.`;
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    description: operation.description === undefined ? who : `${operation.description} ${who}`,
    'x-holdfast-role': operation.role,
    parameters: parametersOf(operation),
    ...(operation.body === null
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(operation.body) } } } }),
    responses: responsesOf(operation),
  };
};

const parametersOf = (operation: Operation): readonly Json[] => [
  ...fieldsOf(operation.params).map(([name, schema]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(schema),
  })),
  ...fieldsOf(operation.query).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !(schema instanceof z.ZodOptional),
    schema: schemaOf(schema),
  })),
  ...(operation.method === 'GET' ? [] : [idempotencyKey]),
  ...(operation.method !== 'GET' && operation.needsVersion ? [ifMatch] : []),
];

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'A call that is sent again under its key has no second effect and gets the same answer.',
  schema: { type: 'string', pattern: keyPattern.source },
};

const ifMatch = {
  name: 'If-Match',
  in: 'header',
  required: true,
  description: 'ETag of what was read; `*` for whatever it is now.',
  schema: { type: 'string', pattern: versionPattern.source },
};

const fieldsOf = (schema: z.ZodObject | null): readonly (readonly [string, z.ZodType])[] =>
  Object.entries((schema?.shape ?? {}) as Readonly<Record<string, z.ZodType>>);

const rateLimitHeaders = {
  'RateLimit-Policy': { schema: { type: 'string' } },
  RateLimit: { schema: { type: 'string' } },
};

const responsesOf = (operation: Operation): Json => {
  const { answer } = operation;
  const status = operation.method === 'GET' ? 200 : operation.status;
  const headers = {
    ...rateLimitHeaders,
    ...(operation.hasVersion === true ? { ETag: { required: true, schema: { type: 'string' } } } : {}),
  };
  const content = answer === null ? {} : { content: { 'application/json': { schema: schemaOf(answer) } } };
  const problems = statusesOf(operation).map((code) => [
    String(code),
    {
      description: problemTexts[code],
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ]);
  return { [status]: { description: 'Done.', headers, ...content }, ...(Object.fromEntries(problems) as Json) };
};

const statusesOf = (operation: Operation): readonly number[] => {
  const isChange = operation.method !== 'GET';
  const hasPages = operation.query?.shape['pageToken'] !== undefined;
  return [
    ...[400, 401, 403],
    ...(operation.params !== null || hasPages || isChange ? [404] : []),
    ...(isChange ? [409] : []),
    ...(isChange && operation.needsVersion ? [412, 428] : []),
    ...(operation.body === null ? [] : [413]),
    ...(isChange ? [422, 504] : []),
    ...[429, 500, 503],
  ].sort((a, b) => a - b);
};

/** A schema with a name is referred to. */
const schemaOf = (schema: z.ZodType): Json => {
  const id = namedSchemas.get(schema)?.id;
  if (id !== undefined) return { $ref: `#/components/schemas/${id}` };
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io: 'input' });
  return json;
};

const componentSchemas = (): Json => {
  const { schemas } = z.toJSONSchema(namedSchemas, { io: 'input', uri: (id) => `#/components/schemas/${id}` });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _dialect, $id: _uri, ...schema }]) => [id, schema]),
  );
};
