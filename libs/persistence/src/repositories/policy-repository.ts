/** Policy documents of pools, which of them is active, and dry runs. */
import { instant } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type * as db from '../generated/models.js';
import type { PolicyActivationRow, PolicyDocumentRow, PolicyDryRunRow } from '../model/policy.js';
import type { JsonValue } from '../model/rows.js';
import { fromStorage, LeaseLostError } from '../storage-errors.js';
import type { PageRequest } from './identity-repositories.js';
import { type Page, decodePageToken, requirePageSize, toPage } from './page.js';

const maxPageSize = 500;

/** Whose pool it is: an owner of before changes nothing. */
export interface PoolOwner {
  readonly poolId: string;
  readonly fencingToken: number;
}

/** See the file header. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
export class PolicyRepository {
  constructor(private readonly database: Database) {}

  /** The document, or undefined. */
  async document(poolId: string, version: number): Promise<PolicyDocumentRow | undefined> {
    const where = { poolId_version: { poolId, version } };
    const row = await fromStorage(() => prismaOf(this.database).policyDocument.findUnique({ where }));
    return row === null ? undefined : toDocument(row);
  }

  /** The newest document that the configuration made, or undefined. */
  async configured(poolId: string): Promise<PolicyDocumentRow | undefined> {
    const row = await fromStorage(() =>
      prismaOf(this.database).policyDocument.findFirst({
        where: { poolId, createdBy: null },
        orderBy: { version: 'desc' },
      }),
    );
    return row === null ? undefined : toDocument(row);
  }

  /** Documents of a pool, newest first. */
  async documents(poolId: string, page: PageRequest): Promise<Page<PolicyDocumentRow>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const [below] = page.pageToken ? decodePageToken(page.pageToken, ['number']) : [2_147_483_647];
    const rows = await fromStorage(() =>
      prismaOf(this.database).policyDocument.findMany({
        where: { poolId, version: { lt: below } },
        orderBy: { version: 'desc' },
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, { item: toDocument, position: (row) => [row.version] });
  }

  /** Adds a document under the next version. */
  async addDocument(row: Omit<PolicyDocumentRow, 'version'>): Promise<PolicyDocumentRow> {
    const { poolId } = row;
    return fromStorage(() =>
      prismaOf(this.database).$transaction(async (transaction) => {
        // The lease row stands for the pool: documents get their numbers one after the other.
        await transaction.$queryRaw`SELECT 1 FROM pool_lease WHERE pool_id = ${poolId} FOR UPDATE`;
        const { _max } = await transaction.policyDocument.aggregate({ where: { poolId }, _max: { version: true } });
        const version = (_max.version ?? 0) + 1;
        const data = { ...row, version, createdAt: BigInt(row.createdAt) };
        return toDocument(await transaction.policyDocument.create({ data }));
      }),
    );
  }

  /** The last activation: it says what is active. */
  async lastActivation(poolId: string): Promise<PolicyActivationRow | undefined> {
    const row = await fromStorage(() =>
      prismaOf(this.database).policyActivation.findFirst({ where: { poolId }, orderBy: { sequence: 'desc' } }),
    );
    return row === null ? undefined : toActivation(row);
  }

  /** The activation, or undefined. */
  async activation(poolId: string, sequence: number): Promise<PolicyActivationRow | undefined> {
    const where = { poolId_sequence: { poolId, sequence } };
    const row = await fromStorage(() => prismaOf(this.database).policyActivation.findUnique({ where }));
    return row === null ? undefined : toActivation(row);
  }

  /** Activations of a pool, newest first. */
  async activations(poolId: string, page: PageRequest): Promise<Page<PolicyActivationRow>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const [below] = page.pageToken ? decodePageToken(page.pageToken, ['number']) : [2_147_483_647];
    const rows = await fromStorage(() =>
      prismaOf(this.database).policyActivation.findMany({
        where: { poolId, sequence: { lt: below } },
        orderBy: { sequence: 'desc' },
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, { item: toActivation, position: (row) => [row.sequence] });
  }

  /**
   * Records an activation after the last one, which must have this sequence (0: there is none); false when it has not.
   *
   * @throws LeaseLostError when the pool is another replica's.
   */
  async activate(owner: PoolOwner, row: Omit<PolicyActivationRow, 'poolId'>): Promise<boolean> {
    const { poolId, fencingToken } = owner;
    return fromStorage(() =>
      prismaOf(this.database).$transaction(async (transaction) => {
        const owned = await transaction.$queryRaw<unknown[]>`
          SELECT 1 FROM pool_lease WHERE pool_id = ${poolId} AND fencing_token = ${BigInt(fencingToken)} FOR UPDATE`;
        if (owned.length === 0) throw new LeaseLostError(poolId, fencingToken);
        const last = await transaction.policyActivation.aggregate({ where: { poolId }, _max: { sequence: true } });
        if ((last._max.sequence ?? 0) !== row.sequence - 1) return false;
        await transaction.policyActivation.create({ data: { ...row, poolId, activatedAt: BigInt(row.activatedAt) } });
        return true;
      }),
    );
  }

  /** Adds a dry run that is to be done; one of this id that is there already stays. */
  async addDryRun(row: Omit<PolicyDryRunRow, 'finishedAt' | 'result'>): Promise<void> {
    const { fromAt, toAt, requestedAt } = row;
    const data = { ...row, fromAt: BigInt(fromAt), toAt: BigInt(toAt), requestedAt: BigInt(requestedAt) };
    await fromStorage(() => prismaOf(this.database).policyDryRun.createMany({ data: [data], skipDuplicates: true }));
  }

  /** The dry run, or undefined. */
  async dryRun(jobId: string): Promise<PolicyDryRunRow | undefined> {
    const row = await fromStorage(() => prismaOf(this.database).policyDryRun.findUnique({ where: { jobId } }));
    return row === null ? undefined : toDryRun(row);
  }
}

const toDocument = (row: db.PolicyDocumentModel): PolicyDocumentRow => ({
  ...row,
  createdAt: instant(Number(row.createdAt)),
});

const toActivation = (row: db.PolicyActivationModel): PolicyActivationRow => ({
  ...row,
  activatedAt: instant(Number(row.activatedAt)),
});

const toDryRun = (row: db.PolicyDryRunModel): PolicyDryRunRow => ({
  ...row,
  fromAt: instant(Number(row.fromAt)),
  toAt: instant(Number(row.toAt)),
  requestedAt: instant(Number(row.requestedAt)),
  finishedAt: row.finishedAt === null ? null : instant(Number(row.finishedAt)),
  result: row.result as JsonValue,
});
