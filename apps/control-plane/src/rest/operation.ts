/**
 * One operation of REST: everything about it in one value, from which requests are served and the OpenAPI document is
 * written. The table of all of them is operations.ts.
 */
import type { JsonValue } from '@holdfast/persistence';
import type { z } from 'zod';
import type { Identity, Role } from '../identity/identity.js';
import type { RestContext } from './rest-context.js';

/** A call of one operation, checked. */
export interface RestCall<Params, Query, Body> {
  readonly identity: Identity;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The version that the caller read: of `If-Match`. Null for `*` and where no version is asked for. */
  readonly ifMatch: string | null;
}

/** What was changed, for the audit log. */
export interface Change {
  /** E.g. `program/prg-1`. */
  readonly target: string;
  /** The tenant whose it is. */
  readonly ofTenant: string;
  readonly details?: Readonly<Record<string, JsonValue>>;
}

/** What an operation answers. */
export interface Answer<Body> {
  readonly body: Body;
  /** Of what was read or changed; becomes the ETag. */
  readonly version?: string;
}

/** What a changing operation answers. */
export interface ChangeAnswer<Body> extends Answer<Body> {
  readonly change: Change;
  /** The body that is kept for a repeated call under the same idempotency key; absent: `body`. */
  readonly repeated?: Body;
}

type Shape = z.ZodObject | null;
type Read<Schema extends Shape> = Schema extends z.ZodObject ? z.output<Schema> : null;

interface Description<Params extends Shape, Query extends Shape, Body extends Shape> {
  /** Name in the document and in the audit log, in lower camel case. */
  readonly id: string;
  readonly tag: string;
  /** Below /api/v1, with `{name}` for each of `params`. */
  readonly path: string;
  /** One line. */
  readonly summary: string;
  /** What a caller has to know besides. */
  readonly description?: string;
  /** The least role that may call it. */
  readonly role: Role;
  /** Only for keys of the tenant that operates the service: it is about what all tenants share. */
  readonly isServiceOnly?: boolean;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Null: nothing, with status 204. */
  readonly answer: z.ZodObject | null;
  /** The answer carries an ETag. */
  readonly hasVersion?: boolean;
}

type Handle<Params extends Shape, Query extends Shape, Body extends Shape, Result> = (
  context: RestContext,
  call: RestCall<Read<Params>, Read<Query>, Read<Body>>,
) => Promise<Result>;

type AnyCall = RestCall<never, never, never>;

/** A reading operation. */
export interface ReadOperation extends Description<Shape, Shape, null> {
  readonly method: 'GET';
  readonly handle: (context: RestContext, call: AnyCall) => Promise<Answer<unknown>>;
}

/** A changing operation: audited, idempotent under an `Idempotency-Key`. */
export interface ChangeOperation extends Description<Shape, Shape, Shape> {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly status: 200 | 201 | 202 | 204;
  /** The call has to name the version it is meant for. */
  readonly needsVersion: boolean;
  readonly handle: (context: RestContext, call: AnyCall) => Promise<ChangeAnswer<unknown>>;
}

/** An operation of REST. */
export type Operation = ReadOperation | ChangeOperation;

/** Pure. Describes a reading operation. */
export const reads = <Params extends Shape, Query extends Shape, Body extends z.ZodObject>(
  operation: Omit<Description<Params, Query, null>, 'body' | 'answer'> & {
    readonly answer: Body;
    readonly handle: Handle<Params, Query, null, Answer<z.output<Body>>>;
  },
): ReadOperation => ({ ...operation, body: null, method: 'GET' });

/** Pure. Describes a changing operation. */
export const changes = <
  Params extends Shape,
  Query extends Shape,
  Body extends Shape,
  Reply extends z.ZodObject | null = null,
>(
  operation: Omit<Description<Params, Query, Body>, 'answer'> & {
    readonly method: ChangeOperation['method'];
    readonly status?: ChangeOperation['status'];
    readonly needsVersion?: boolean;
    readonly answer: Reply;
    readonly handle: Handle<Params, Query, Body, ChangeAnswer<Reply extends z.ZodObject ? z.output<Reply> : null>>;
  },
): ChangeOperation => ({
  ...operation,
  status: operation.status ?? (operation.answer === null ? 204 : 200),
  needsVersion: operation.needsVersion ?? false,
});
