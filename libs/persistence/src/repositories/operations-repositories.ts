/** What operators did and registered. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
import { instant } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type * as db from '../generated/models.js';
import type { AuditRow, RegisteredEngineRow } from '../model/identity.js';
import type { JsonValue } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';
import { storableJson } from '../writer/storable-json.js';
import type { PageRequest } from './identity-repositories.js';
import { type Page, decodePageToken, requirePageSize, toPage } from './page.js';

const maxPageSize = 500;

/** The log of changes by operators. */
export class AuditRepository {
  constructor(private readonly database: Database) {}

  /** Appends an entry. */
  async add(row: AuditRow): Promise<void> {
    const data = { ...row, at: BigInt(row.at), details: JSON.parse(storableJson(row.details)) as object };
    await fromStorage(() => prismaOf(this.database).auditEntry.create({ data }));
  }

  /** Entries, newest first: about one tenant's things, or about all. */
  async list(page: PageRequest & { readonly ofTenant?: string }): Promise<Page<AuditRow>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const after = page.pageToken ? afterToken(page.pageToken) : {};
    const rows = await fromStorage(() =>
      prismaOf(this.database).auditEntry.findMany({
        where: { ...(page.ofTenant === undefined ? {} : { ofTenant: page.ofTenant }), ...after },
        orderBy: [{ at: 'desc' }, { entryId: 'desc' }],
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, { item: toAuditRow, position: (row) => [Number(row.at), row.entryId] });
  }
}

/** Engines registered while the service ran. */
export class RegisteredEngineRepository {
  constructor(private readonly database: Database) {}

  /** Those of a pool, in the order of their registration. */
  async list(poolId: string): Promise<RegisteredEngineRow[]> {
    const rows = await fromStorage(() =>
      prismaOf(this.database).registeredEngine.findMany({
        where: { poolId },
        orderBy: [{ registeredAt: 'asc' }, { engineId: 'asc' }],
      }),
    );
    return rows.map((row) => ({ ...row, registeredAt: instant(Number(row.registeredAt)) }));
  }

  /** Adds one; adding it again changes nothing. */
  async add(row: RegisteredEngineRow): Promise<void> {
    const data = { ...row, registeredAt: BigInt(row.registeredAt) };
    await fromStorage(() =>
      prismaOf(this.database).registeredEngine.createMany({ data: [data], skipDuplicates: true }),
    );
  }

  /** Removes one, if it is there. */
  async remove(poolId: string, engineId: string): Promise<void> {
    await fromStorage(() => prismaOf(this.database).registeredEngine.deleteMany({ where: { poolId, engineId } }));
  }
}

function afterToken(token: string): object {
  const [atMicros, entryId] = decodePageToken(token, ['number', 'string']);
  const at = BigInt(atMicros);
  return { OR: [{ at: { lt: at } }, { at, entryId: { lt: entryId } }] };
}

const toAuditRow = (row: db.AuditEntryModel): AuditRow => ({
  ...row,
  at: instant(Number(row.at)),
  details: row.details as JsonValue,
});
