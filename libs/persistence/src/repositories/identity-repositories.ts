/** Tenants and API keys. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
import { type Instant, instant } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type * as db from '../generated/models.js';
import type { ApiKeyRow, TenantLimits, TenantRow } from '../model/identity.js';
import { fromStorage } from '../storage-errors.js';
import { type Page, decodePageToken, requirePageSize, toPage } from './page.js';

const maxPageSize = 500;

/** A page of a list. */
export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken?: string;
}

/** Reads and writes tenants. */
export class TenantRepository {
  constructor(private readonly database: Database) {}

  /** The tenant, or undefined. */
  async get(tenantId: string): Promise<TenantRow | undefined> {
    const row = await fromStorage(() => prismaOf(this.database).tenant.findUnique({ where: { tenantId } }));
    return row === null ? undefined : toTenantRow(row);
  }

  /** Tenants by id. */
  async list(page: PageRequest): Promise<Page<TenantRow>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const [after] = page.pageToken ? decodePageToken(page.pageToken, ['string']) : [''];
    const rows = await fromStorage(() =>
      prismaOf(this.database).tenant.findMany({
        where: { tenantId: { gt: after } },
        orderBy: { tenantId: 'asc' },
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, { item: toTenantRow, position: (row) => [row.tenantId] });
  }

  /** Adds a tenant; false when the id is taken. */
  async create(row: TenantRow): Promise<boolean> {
    const data = { ...row, createdAt: BigInt(row.createdAt), maxPinnedTokens: bigOrNull(row.maxPinnedTokens) };
    const { count } = await fromStorage(() =>
      prismaOf(this.database).tenant.createMany({ data: [data], skipDuplicates: true }),
    );
    return count === 1;
  }

  /** Changes a tenant that still has `version`; the changed row, or undefined when it has another version by now. */
  async update(
    tenantId: string,
    version: number,
    changes: TenantLimits & { readonly name: string },
  ): Promise<TenantRow | undefined> {
    const data = { ...changes, maxPinnedTokens: bigOrNull(changes.maxPinnedTokens), version: version + 1 };
    const rows = await fromStorage(() =>
      prismaOf(this.database).tenant.updateManyAndReturn({ where: { tenantId, version }, data }),
    );
    return rows[0] === undefined ? undefined : toTenantRow(rows[0]);
  }
}

/** Reads and writes API keys. */
export class ApiKeyRepository {
  constructor(private readonly database: Database) {}

  /** The key with this public part, or undefined. */
  async byPrefix(prefix: string): Promise<ApiKeyRow | undefined> {
    const row = await fromStorage(() => prismaOf(this.database).apiKey.findUnique({ where: { prefix } }));
    return row === null ? undefined : toApiKeyRow(row);
  }

  /** The key, or undefined. */
  async get(keyId: string): Promise<ApiKeyRow | undefined> {
    const row = await fromStorage(() => prismaOf(this.database).apiKey.findUnique({ where: { keyId } }));
    return row === null ? undefined : toApiKeyRow(row);
  }

  /** How many keys there are, revoked ones included. */
  count(): Promise<number> {
    return fromStorage(() => prismaOf(this.database).apiKey.count());
  }

  /** Keys, newest first, of one tenant or of all. */
  async list(page: PageRequest & { readonly tenantId?: string }): Promise<Page<ApiKeyRow>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const after = page.pageToken ? afterToken(page.pageToken) : {};
    const rows = await fromStorage(() =>
      prismaOf(this.database).apiKey.findMany({
        where: { ...(page.tenantId === undefined ? {} : { tenantId: page.tenantId }), ...after },
        orderBy: [{ createdAt: 'desc' }, { keyId: 'desc' }],
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, {
      item: toApiKeyRow,
      position: (row) => [Number(row.createdAt), row.keyId],
    });
  }

  /** Adds a key of a tenant that exists; false when the public part is taken. */
  async create(row: ApiKeyRow): Promise<boolean> {
    const data = {
      ...row,
      createdAt: BigInt(row.createdAt),
      expiresAt: bigOrNull(row.expiresAt),
      revokedAt: bigOrNull(row.revokedAt),
    };
    const { count } = await fromStorage(() =>
      prismaOf(this.database).apiKey.createMany({ data: [data], skipDuplicates: true }),
    );
    return count === 1;
  }

  /** Revokes a key; one that is revoked already keeps its time. */
  async revoke(keyId: string, at: Instant): Promise<void> {
    await fromStorage(() =>
      prismaOf(this.database).apiKey.updateMany({
        where: { keyId, revokedAt: null },
        data: { revokedAt: BigInt(at) },
      }),
    );
  }
}

function afterToken(token: string): object {
  const [createdMicros, keyId] = decodePageToken(token, ['number', 'string']);
  const createdAt = BigInt(createdMicros);
  return { OR: [{ createdAt: { lt: createdAt } }, { createdAt, keyId: { lt: keyId } }] };
}

const bigOrNull = (value: number | null): bigint | null => (value === null ? null : BigInt(value));
const atOrNull = (value: bigint | null): Instant | null => (value === null ? null : instant(Number(value)));

const toTenantRow = (row: db.TenantModel): TenantRow => ({
  ...row,
  createdAt: instant(Number(row.createdAt)),
  maxPinnedTokens: row.maxPinnedTokens === null ? null : Number(row.maxPinnedTokens),
});

const toApiKeyRow = (row: db.ApiKeyModel): ApiKeyRow => ({
  ...row,
  createdAt: instant(Number(row.createdAt)),
  expiresAt: atOrNull(row.expiresAt),
  revokedAt: atOrNull(row.revokedAt),
});
