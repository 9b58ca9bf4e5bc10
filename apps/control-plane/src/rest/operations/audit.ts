import { keyRoles } from '@holdfast/persistence';
import { z } from 'zod';
import { reads, type Operation } from '../operation.js';
import { pageOf, pageQuery, pageSchema, tenantId, time, timeText } from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import { listedTenant } from '../whose.js';

const entrySchema = named(
  'AuditEntry',
  z.strictObject({
    entryId: z.string(),
    at: time,
    byTenant: z.string(),
    byKey: z.string().nullable().meta({ description: 'Id of the key; null without authentication.' }),
    role: z.enum(keyRoles),
    action: z.string().meta({ description: 'Id of the operation.' }),
    target: z.string(),
    ofTenant: z.string(),
    details: z.unknown(),
    requestId: z.string(),
  }),
);

/** What was changed over REST, by whom. */
export const auditOperations: readonly Operation[] = [
  reads({
    id: 'listAudit',
    tag: 'audit',
    path: '/audit',
    summary: "Changes over REST, newest first: of the caller's tenant, or of all.",
    role: 'operator',
    params: null,
    query: z.strictObject({
      ...pageQuery,
      tenantId: tenantId.optional().meta({ description: "Only about this tenant's things; for keys that see all." }),
    }),
    answer: named('AuditPage', pageSchema(entrySchema)),
    handle: async ({ audit }, { identity, query }) => {
      const tenant = listedTenant(identity, query.tenantId);
      const { items, nextPageToken } = await audit.list({
        ...pageOf(query),
        ...(tenant === undefined ? {} : { ofTenant: tenant }),
      });
      const entries = items.map((row) => ({
        entryId: row.entryId,
        at: timeText(row.at),
        byTenant: row.tenantId,
        byKey: row.keyId,
        role: row.role,
        action: row.action,
        target: row.target,
        ofTenant: row.ofTenant,
        details: row.details,
        requestId: row.requestId,
      }));
      return { body: { items: entries, nextPageToken: nextPageToken ?? null } };
    },
  }),
];
