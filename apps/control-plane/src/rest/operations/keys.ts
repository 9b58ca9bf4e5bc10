import { keyRoles, type ApiKeyRow } from '@holdfast/persistence';
import { DomainError, invalidFields } from '@holdfast/platform';
import { after, seconds } from '@holdfast/scheduling';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { apiKeyText, hashSecret, newApiKey } from '../../identity/api-key.js';
import { isService } from '../../identity/identity.js';
import { changes, reads, type Operation } from '../operation.js';
import {
  otherId,
  pageOf,
  pageQuery,
  pageSchema,
  tenantId,
  time,
  timeText,
  timeTextOrNull,
  title,
} from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import { listedTenant } from '../whose.js';
import { findTenant } from './tenants.js';

const tag = 'tenants and keys';

const keyFields = {
  keyId: z.string(),
  prefix: z.string().meta({ description: 'Public part of the key: hf_PREFIX_SECRET.' }),
  tenantId: z.string(),
  role: z.enum(keyRoles),
  name: z.string(),
  createdAt: time,
  expiresAt: time.nullable(),
  revokedAt: time.nullable(),
};
const keySchema = named('ApiKey', z.strictObject(keyFields));
const madeKeySchema = named(
  'MadeApiKey',
  z.strictObject({
    ...keyFields,
    key: z.string().nullable().meta({
      description: 'The key itself, shown this once: null when the call is repeated under its Idempotency-Key.',
    }),
  }),
);

const keyJson = (row: ApiKeyRow): z.output<typeof keySchema> => ({
  keyId: row.keyId,
  prefix: row.prefix,
  tenantId: row.tenantId,
  role: row.role,
  name: row.name,
  createdAt: timeText(row.createdAt),
  expiresAt: timeTextOrNull(row.expiresAt),
  revokedAt: timeTextOrNull(row.revokedAt),
});

/** API keys: made, listed, revoked. */
export const keyOperations: readonly Operation[] = [
  reads({
    id: 'listKeys',
    tag,
    path: '/keys',
    summary: 'API keys without their secrets, newest first.',
    role: 'admin',
    params: null,
    query: z.strictObject({
      ...pageQuery,
      tenantId: tenantId.optional().meta({ description: "Only this tenant's; for keys that see all." }),
    }),
    answer: named('ApiKeyPage', pageSchema(keySchema)),
    handle: async ({ keys }, { identity, query }) => {
      const tenant = listedTenant(identity, query.tenantId);
      const { items, nextPageToken } = await keys.list({
        ...pageOf(query),
        ...(tenant === undefined ? {} : { tenantId: tenant }),
      });
      return { body: { items: items.map(keyJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  changes({
    id: 'createKey',
    method: 'POST',
    tag,
    path: '/keys',
    summary: 'Makes an API key; its secret is in this answer and nowhere else.',
    role: 'admin',
    params: null,
    query: null,
    body: named(
      'NewApiKey',
      z.strictObject({
        tenantId: tenantId.nullable().meta({ description: "Null: the caller's own." }),
        role: z.enum(keyRoles),
        name: title,
        expiresInSeconds: z
          .int('60 to 315360000')
          .min(60, '60 to 315360000')
          .max(315_360_000, '60 to 315360000')
          .nullable()
          .meta({ description: 'Null: it does not expire.' }),
      }),
    ),
    status: 201,
    answer: madeKeySchema,
    handle: async ({ keys, tenants, wallNow }, { identity, body }) => {
      const tenant = await findTenant({ tenants }, identity, body.tenantId ?? identity.tenantId);
      const parts = newApiKey();
      const createdAt = wallNow();
      const row: ApiKeyRow = {
        keyId: `key-${randomUUID()}`,
        prefix: parts.prefix,
        tenantId: tenant.tenantId,
        role: body.role,
        name: body.name,
        hash: await hashSecret(parts.secret),
        createdAt,
        expiresAt: body.expiresInSeconds === null ? null : after(createdAt, seconds(body.expiresInSeconds)),
        revokedAt: null,
      };
      // 64 random bits are taken: it has never happened, and the caller tries again.
      if (!(await keys.create(row))) throw invalidFields([{ field: 'prefix', description: 'was taken; try again' }]);
      const change = {
        target: `key/${row.keyId}`,
        ofTenant: row.tenantId,
        details: { role: row.role, name: row.name },
      };
      const shown = keyJson(row);
      return { body: { ...shown, key: apiKeyText(parts) }, repeated: { ...shown, key: null }, change };
    },
  }),
  changes({
    id: 'revokeKey',
    method: 'DELETE',
    tag,
    path: '/keys/{keyId}',
    summary: 'Revokes an API key: it works no longer here at once, elsewhere within 30 seconds.',
    role: 'admin',
    params: z.strictObject({ keyId: otherId }),
    query: null,
    body: null,
    answer: null,
    handle: async ({ keys, authenticator, wallNow }, { identity, params }) => {
      const row = await keys.get(params.keyId);
      if (row === undefined || !(isService(identity) || row.tenantId === identity.tenantId)) {
        throw new DomainError({
          kind: 'notFound',
          reason: 'KEY_NOT_FOUND',
          message: `there is no key ${params.keyId}`,
        });
      }
      await keys.revoke(row.keyId, wallNow());
      authenticator.forget(row.keyId);
      return { body: null, change: { target: `key/${row.keyId}`, ofTenant: row.tenantId } };
    },
  }),
];
