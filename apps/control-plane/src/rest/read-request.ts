/** Requests as their operation's schemas read them. All that is wrong with one is said at once. */
import { DomainError, invalidFields } from '@holdfast/platform';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { readJsonBody } from '../openai/read-body.js';
import type { Operation, RestCall } from './operation.js';

/** Bodies of REST are small: documents of policies are the largest. */
const MAX_BODY_BYTES = 256 * 1024;

/** A call but for who calls. */
export type ReadCall = Omit<RestCall<unknown, unknown, unknown>, 'identity'>;

/**
 * Reads and checks a request.
 *
 * @throws DomainError FIELD_INVALID, MESSAGE_TOO_LARGE, VERSION_MISSING.
 */
export const readCall = async (
  operation: Operation,
  request: IncomingMessage,
  given: { readonly params: Readonly<Record<string, string>>; readonly query: URLSearchParams },
): Promise<ReadCall> => {
  const violations: Violation[] = [];
  const params = check(operation.params, given.params, violations);
  const query = check(operation.query, queryValues(operation.query, given.query), violations);
  const body = operation.body === null ? null : check(operation.body, await bodyOf(request), violations);
  if (violations.length > 0) throw invalidFields(violations);
  return { params, query, body, ifMatch: versionOf(operation, request) };
};

interface Violation {
  readonly field: string;
  readonly description: string;
}

const check = (schema: z.ZodObject | null, value: unknown, violations: Violation[]): unknown => {
  const result = (schema ?? z.strictObject({})).safeParse(value, { reportInput: true });
  if (result.success) return schema === null ? null : result.data;
  violations.push(...result.error.issues.map(violationOf));
  return null;
};

const MAX_SHOWN = 80;

const violationOf = (issue: z.core.$ZodIssue): Violation => {
  const field = issue.path.map(String).join('.') || '(request)';
  if (issue.code === 'unrecognized_keys') {
    return { field: issue.keys.join(', '), description: 'is not known here; allowed: what the document names' };
  }
  const json = issue.input === undefined ? 'not set' : (JSON.stringify(issue.input) ?? 'unreadable');
  const shown = json.length > MAX_SHOWN ? `${json.slice(0, MAX_SHOWN)}... (${json.length} characters)` : json;
  return { field, description: `is ${shown}; allowed: ${issue.message}` };
};

/** Text becomes what the schema names, where it can be read so. */
const queryValues = (schema: z.ZodObject | null, query: URLSearchParams): Record<string, unknown> => {
  const values: Record<string, unknown> = {};
  for (const name of new Set(query.keys())) {
    const texts = query.getAll(name);
    const field: unknown = schema?.shape[name];
    const type = field instanceof z.ZodOptional ? field.unwrap() : field;
    if (type instanceof z.ZodArray) values[name] = texts;
    else if (texts.length > 1) values[name] = texts;
    else values[name] = type instanceof z.ZodNumber ? numberOf(texts[0] ?? '') : texts[0];
  }
  return values;
};

const numberOf = (text: string): number | string => (/^-?\d{1,15}$/.test(text) ? Number(text) : text);

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  const type = request.headers['content-type'];
  if (type !== undefined && !/^application\/json *(?:;|$)/i.test(type)) {
    const description = `is ${JSON.stringify(type.slice(0, MAX_SHOWN))}; allowed: application/json`;
    throw invalidFields([{ field: 'content-type', description }]);
  }
  return readJsonBody(request, MAX_BODY_BYTES);
};

/** What If-Match may be. */
export const versionPattern = /^(\*|"[!#-~]{1,128}")$/;

/** The one version that the caller names; weak tags and lists name none. */
const versionOf = (operation: Operation, request: IncomingMessage): string | null => {
  if (operation.method === 'GET' || !operation.needsVersion) return null;
  const given = request.headers['if-match'];
  if (given === undefined) {
    throw new DomainError({
      kind: 'precondition',
      reason: 'VERSION_MISSING',
      message: 'the header If-Match is not set; allowed: the ETag of what was read, or *',
    });
  }
  if (!versionPattern.test(given)) {
    const description = `is ${JSON.stringify(given.slice(0, MAX_SHOWN))}; allowed: one strong ETag, or *`;
    throw invalidFields([{ field: 'if-match', description }]);
  }
  return given === '*' ? null : given;
};

/** @throws DomainError VERSION_CONFLICT when the caller read another version than the present one. */
export const requireVersion = (ifMatch: string | null, version: string): void => {
  if (ifMatch !== null && ifMatch !== etagOf(version)) throw versionConflict();
};

/** Pure. */
export const versionConflict = (): DomainError =>
  new DomainError({
    kind: 'precondition',
    reason: 'VERSION_CONFLICT',
    message: 'it has changed since it was read; read it again',
  });

/** Pure. The ETag of a version. */
export const etagOf = (version: string): string => JSON.stringify(version);
