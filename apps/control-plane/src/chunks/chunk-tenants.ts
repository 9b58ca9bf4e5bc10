import type { ChunkRepository, ChunkTenantRow } from '@holdfast/persistence';
import { randomUUID } from 'node:crypto';

/** Salts and quotas of tenants, read once. */
export class ChunkTenants {
  readonly #rows = new Map<string, ChunkTenantRow>();

  constructor(
    private readonly repository: ChunkRepository,
    private readonly defaultQuotaBytes: number,
  ) {}

  /** Modifies state: reads all tenants. */
  async load(): Promise<void> {
    for (const row of await this.repository.tenants()) this.#rows.set(row.tenantId, row);
  }

  /** The tenant's row, made at its first chunk. */
  async get(tenantId: string): Promise<ChunkTenantRow> {
    const known = this.#rows.get(tenantId);
    if (known !== undefined) return known;
    const row = await this.repository.tenant(tenantId, randomUUID());
    this.#rows.set(tenantId, row);
    return row;
  }

  /** Bytes that a tenant may take in each engine. */
  quotaBytes(tenantId: string): number {
    return this.#rows.get(tenantId)?.quotaBytes ?? this.defaultQuotaBytes;
  }

  /** Changes a tenant; undefined when its version is another one. */
  async change(
    tenantId: string,
    version: number,
    change: Parameters<ChunkRepository['changeTenant']>[2],
  ): Promise<ChunkTenantRow | undefined> {
    const row = await this.repository.changeTenant(tenantId, version, change);
    if (row !== undefined) this.#rows.set(tenantId, row);
    return row;
  }
}
