import type { TenantRow } from '@holdfast/persistence';
import { DomainError } from '@holdfast/platform';
import { z } from 'zod';
import { isService, type Identity } from '../../identity/identity.js';
import { changes, reads, type Operation } from '../operation.js';
import { requireVersion, versionConflict } from '../read-request.js';
import type { RestContext } from '../rest-context.js';
import { pageOf, pageQuery, pageSchema, tenantId, time, timeText, title } from '../schemas/fields.js';
import { named } from '../schemas/named.js';

const tag = 'tenants and keys';
const params = z.strictObject({ tenantId });

const limitFields = {
  maxLivePrograms: z
    .int('0 to 1000000')
    .min(0, '0 to 1000000')
    .max(1_000_000, '0 to 1000000')
    .nullable()
    .meta({ description: 'Programs that may be live at once; null is no limit.' }),
  turnsPerSecond: z
    .number('0.001 to 1000000')
    .min(0.001, '0.001 to 1000000')
    .max(1_000_000, '0.001 to 1000000')
    .nullable()
    .meta({ description: 'Turns a second, as many at once; null is no limit.' }),
  maxPinnedTokens: z
    .int('0 to 10^12')
    .min(0, '0 to 10^12')
    .max(1e12, '0 to 10^12')
    .nullable()
    .meta({ description: 'Tokens whose KV may be pinned at once; null is no limit.' }),
};

const tenantSchema = named(
  'Tenant',
  z.strictObject({ tenantId: z.string(), name: z.string(), createdAt: time, ...limitFields }),
);

const tenantJson = (row: TenantRow): z.output<typeof tenantSchema> => ({
  tenantId: row.tenantId,
  name: row.name,
  createdAt: timeText(row.createdAt),
  maxLivePrograms: row.maxLivePrograms,
  turnsPerSecond: row.turnsPerSecond,
  maxPinnedTokens: row.maxPinnedTokens,
});

/** Teams and their limits. */
export const tenantOperations: readonly Operation[] = [
  reads({
    id: 'listTenants',
    tag,
    path: '/tenants',
    summary: 'Tenants, by id.',
    role: 'operator',
    isServiceOnly: true,
    params: null,
    query: z.strictObject(pageQuery),
    answer: named('TenantPage', pageSchema(tenantSchema)),
    handle: async ({ tenants }, { query }) => {
      const { items, nextPageToken } = await tenants.list(pageOf(query));
      return { body: { items: items.map(tenantJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  changes({
    id: 'createTenant',
    method: 'POST',
    tag,
    path: '/tenants',
    summary: 'Makes a tenant.',
    role: 'admin',
    isServiceOnly: true,
    params: null,
    query: null,
    body: named('NewTenant', z.strictObject({ tenantId, name: title, ...limitFields })),
    status: 201,
    answer: tenantSchema,
    hasVersion: true,
    handle: async ({ tenants, wallNow }, { body }) => {
      const row: TenantRow = { ...body, version: 1, createdAt: wallNow() };
      if (!(await tenants.create(row))) throw tenantExists(body.tenantId);
      const change = { target: `tenant/${body.tenantId}`, ofTenant: body.tenantId, details: { ...body } };
      return { body: tenantJson(row), version: '1', change };
    },
  }),
  reads({
    id: 'getTenant',
    tag,
    path: '/tenants/{tenantId}',
    summary: 'A tenant with its limits.',
    role: 'viewer',
    params,
    query: null,
    answer: tenantSchema,
    hasVersion: true,
    handle: async ({ tenants }, { identity, params: asked }) => {
      const row = await findTenant({ tenants }, identity, asked.tenantId);
      return { body: tenantJson(row), version: String(row.version) };
    },
  }),
  changes({
    id: 'changeTenant',
    method: 'PUT',
    tag,
    path: '/tenants/{tenantId}',
    summary: 'Changes a tenant; its limits hold from then on.',
    role: 'admin',
    isServiceOnly: true,
    params,
    query: null,
    body: named('TenantChange', z.strictObject({ name: title, ...limitFields })),
    needsVersion: true,
    hasVersion: true,
    answer: tenantSchema,
    handle: async ({ tenants, services }, { identity, params: asked, body, ifMatch }) => {
      const row = await findTenant({ tenants }, identity, asked.tenantId);
      requireVersion(ifMatch, String(row.version));
      const changed = await tenants.update(asked.tenantId, row.version, body);
      // Somebody else was faster.
      if (changed === undefined) throw versionConflict();
      services.quotas.set(asked.tenantId, changed);
      const change = { target: `tenant/${asked.tenantId}`, ofTenant: asked.tenantId, details: { ...body } };
      return { body: tenantJson(changed), version: String(changed.version), change };
    },
  }),
];

/** @throws DomainError TENANT_NOT_FOUND, also when it is not the caller's own. */
export const findTenant = async (
  { tenants }: Pick<RestContext, 'tenants'>,
  identity: Identity,
  asked: string,
): Promise<TenantRow> => {
  const row = isService(identity) || asked === identity.tenantId ? await tenants.get(asked) : undefined;
  if (row === undefined) {
    throw new DomainError({ kind: 'notFound', reason: 'TENANT_NOT_FOUND', message: `there is no tenant ${asked}` });
  }
  return row;
};

const tenantExists = (asked: string): DomainError =>
  new DomainError({ kind: 'exists', reason: 'TENANT_EXISTS', message: `there is a tenant ${asked} already` });
