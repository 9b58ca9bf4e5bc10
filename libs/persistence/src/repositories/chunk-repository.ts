/** The registry of stored chunks. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
import { instant } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type * as db from '../generated/models.js';
import type { ChunkTenantRow, ChunkTextRow, ChunkVariantRow } from '../model/chunks.js';
import { tokenIdsFromBytes, tokenIdsToBytes } from '../model/token-ids.js';
import { fromStorage } from '../storage-errors.js';

/** See the file header. */
export class ChunkRepository {
  constructor(private readonly database: Database) {}

  /** What is known of an engine, oldest first. */
  async variants(engineId: string): Promise<ChunkVariantRow[]> {
    const rows = await fromStorage(() =>
      prismaOf(this.database).chunkVariant.findMany({
        where: { engineId },
        orderBy: [{ storedAt: 'asc' }, { variantId: 'asc' }],
      }),
    );
    return rows.map(toVariant);
  }

  /** Writes rows in place of those of the same engine and name. */
  async put(rows: readonly ChunkVariantRow[]): Promise<void> {
    await fromStorage(() =>
      prismaOf(this.database).$transaction(
        rows.map((row) => {
          const { engineId, variantId } = row;
          const data = {
            ...row,
            preceding: row.preceding as object[],
            sizeBytes: BigInt(row.sizeBytes),
            tokenRanks: row.tokenRanks === null ? null : Uint8Array.from(row.tokenRanks),
            storedAt: BigInt(row.storedAt),
          };
          const where = { engineId_variantId: { engineId, variantId } };
          return prismaOf(this.database).chunkVariant.upsert({ where, create: data, update: data });
        }),
      ),
    );
  }

  /** Removes rows, as far as they are there. */
  async remove(engineId: string, variantIds: readonly string[]): Promise<void> {
    if (variantIds.length === 0) return;
    const where = { engineId, variantId: { in: [...variantIds] } };
    await fromStorage(() => prismaOf(this.database).chunkVariant.deleteMany({ where }));
  }

  /** Writes the tokens of chunks that are not known yet. */
  async putTexts(texts: readonly ChunkTextRow[]): Promise<void> {
    const data = texts.map(({ tokenIds, seenAt, ...text }) => ({
      ...text,
      tokenIds: Uint8Array.from(tokenIdsToBytes(tokenIds)),
      seenAt: BigInt(seenAt),
    }));
    await fromStorage(() => prismaOf(this.database).chunkText.createMany({ data, skipDuplicates: true }));
  }

  /** The tokens of chunks, as far as they are known. */
  async texts(chunkIds: readonly string[]): Promise<ChunkTextRow[]> {
    const where = { chunkId: { in: [...chunkIds] } };
    return (await fromStorage(() => prismaOf(this.database).chunkText.findMany({ where }))).map(toText);
  }

  /** Ids of a source's chunks, those that were seen last first, at most `limit`; of one version when it is given. */
  async chunksOf(
    where: Pick<ChunkTextRow, 'tenantId' | 'salt' | 'source' | 'fingerprint'> & { readonly sourceVersion?: string },
    limit: number,
  ): Promise<string[]> {
    const rows = await fromStorage(() =>
      prismaOf(this.database).chunkText.findMany({
        where,
        select: { chunkId: true },
        orderBy: [{ seenAt: 'desc' }, { chunkId: 'asc' }],
        take: limit,
      }),
    );
    return rows.map(({ chunkId }) => chunkId);
  }

  /** Removes the tokens of a tenant's source, of every version but the one to keep. */
  async removeTexts(tenantId: string, source: string, keepSourceVersion: string | null): Promise<void> {
    const where = {
      tenantId,
      source,
      ...(keepSourceVersion === null ? {} : { sourceVersion: { not: keepSourceVersion } }),
    };
    await fromStorage(() => prismaOf(this.database).chunkText.deleteMany({ where }));
  }

  /** Every tenant that ever had chunks. */
  async tenants(): Promise<ChunkTenantRow[]> {
    const rows = await fromStorage(() =>
      prismaOf(this.database).chunkTenant.findMany({ orderBy: { tenantId: 'asc' } }),
    );
    return rows.map(toTenant);
  }

  /** The tenant's row; `salt` makes it when there is none. */
  async tenant(tenantId: string, salt: string): Promise<ChunkTenantRow> {
    const create = { tenantId, salt, quotaBytes: null, version: 1 };
    const row = await fromStorage(async () => {
      await prismaOf(this.database).chunkTenant.createMany({ data: [create], skipDuplicates: true });
      return prismaOf(this.database).chunkTenant.findUniqueOrThrow({ where: { tenantId } });
    });
    return toTenant(row);
  }

  /** Changes a tenant's quota or salt; undefined when its version is another one. */
  async changeTenant(
    tenantId: string,
    version: number,
    change: { readonly quotaBytes?: number | null; readonly salt?: string },
  ): Promise<ChunkTenantRow | undefined> {
    const { quotaBytes, salt } = change;
    const data = {
      version: version + 1,
      ...(quotaBytes === undefined ? {} : { quotaBytes: quotaBytes === null ? null : BigInt(quotaBytes) }),
      ...(salt === undefined ? {} : { salt }),
    };
    const rows = await fromStorage(() =>
      prismaOf(this.database).chunkTenant.updateManyAndReturn({ where: { tenantId, version }, data }),
    );
    return rows[0] === undefined ? undefined : toTenant(rows[0]);
  }
}

const toVariant = (row: db.ChunkVariantModel): ChunkVariantRow => ({
  ...row,
  preceding: row.preceding as unknown as ChunkVariantRow['preceding'],
  sizeBytes: Number(row.sizeBytes),
  storedAt: instant(Number(row.storedAt)),
});

const toText = ({ tokenIds, seenAt, ...row }: db.ChunkTextModel): ChunkTextRow => ({
  ...row,
  tokenIds: tokenIdsFromBytes(tokenIds),
  seenAt: instant(Number(seenAt)),
});

const toTenant = (row: db.ChunkTenantModel): ChunkTenantRow => ({
  ...row,
  quotaBytes: row.quotaBytes === null ? null : Number(row.quotaBytes),
});
