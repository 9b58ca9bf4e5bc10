import { type Instant, type ProgramId } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type { ProgramRow, StoredProgramState } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';
import { type LiveProgram, loadLivePrograms } from './live-programs.js';
import { toProgramRow } from './mapping.js';
import { type Page, decodePageToken, requirePageSize, toPage } from './page.js';

/** Programs on a page at most. */
export const maxProgramPageSize = 500;

/** Which programs to list. */
export interface ProgramFilter {
  readonly pageSize: number;
  readonly pageToken?: string;
  /** Only these states; empty or absent means all. */
  readonly states?: readonly StoredProgramState[];
  /** Only programs started at or after this time. */
  readonly startedAfter?: Instant;
  readonly tenantId?: string;
}

/** Reads programs. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
export class ProgramRepository {
  constructor(private readonly database: Database) {}

  /** The program, or undefined. */
  async get(programId: ProgramId): Promise<ProgramRow | undefined> {
    const row = await fromStorage(() => prismaOf(this.database).program.findUnique({ where: { programId } }));
    return row === null ? undefined : toProgramRow(row);
  }

  /**
   * Live programs of a pool, in the order of their ids, with contexts rebuilt: what a restarted scheduler goes on
   * with. Read page by page; the caller orders by arrival (`program.startedAt`).
   *
   * @throws Error when stored turns do not fit together.
   */
  loadLive(poolId: string): AsyncIterable<LiveProgram> {
    return loadLivePrograms(this.database, poolId);
  }

  /**
   * A page of programs, newest first. Programs that start while pages are read do not shift later pages.
   *
   * @throws DomainError FIELD_INVALID on a bad page size or token.
   */
  async list(filter: ProgramFilter): Promise<Page<ProgramRow>> {
    const pageSize = requirePageSize(filter.pageSize, maxProgramPageSize);
    const rows = await fromStorage(() =>
      prismaOf(this.database).program.findMany({
        where: {
          ...(filter.states?.length ? { state: { in: [...filter.states] } } : {}),
          ...(filter.startedAfter === undefined ? {} : { startedAt: { gte: BigInt(filter.startedAfter) } }),
          ...(filter.tenantId === undefined ? {} : { tenantId: filter.tenantId }),
          ...(filter.pageToken ? { AND: afterToken(filter.pageToken) } : {}),
        },
        orderBy: [{ startedAt: 'desc' }, { programId: 'desc' }],
        take: pageSize + 1,
      }),
    );
    const position = (row: { startedAt: bigint; programId: string }): [number, string] => [
      Number(row.startedAt),
      row.programId,
    ];
    return toPage(rows, pageSize, { item: toProgramRow, position });
  }
}

/** Rows after a position in the order of the list. The first condition is what the index is walked by. */
function afterToken(token: string): object {
  const [startedMicros, programId] = decodePageToken(token, ['number', 'string']);
  const startedAt = BigInt(startedMicros);
  return {
    startedAt: { lte: startedAt },
    OR: [{ startedAt: { lt: startedAt } }, { programId: { lt: programId } }],
  };
}
