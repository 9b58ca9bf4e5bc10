import type { ProgramId, TurnId } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type { TurnRow } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';
import { type TurnSummary, largeTurnColumns, toTurnRow, toTurnSummary } from './mapping.js';
import { type Page, decodePageToken, requirePageSize, toPage } from './page.js';

const maxPageSize = 1_000;

/** Which turns to list. */
export interface TurnPageRequest {
  readonly pageSize: number;
  readonly pageToken?: string;
  /** The last ones, backwards; without a token. */
  readonly newestFirst?: boolean;
}

/** Reads turns. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
export class TurnRepository {
  constructor(private readonly database: Database) {}

  /** The turn with its tokens, or undefined. */
  async get(turnId: TurnId): Promise<TurnRow | undefined> {
    const row = await fromStorage(() => prismaOf(this.database).turn.findUnique({ where: { turnId } }));
    return row === null ? undefined : toTurnRow(row);
  }

  /**
   * The turn that a request id began, with its tokens, so that a repeated request can be answered again. When a turn
   * was cut and its request repeated there are several: the latest counts.
   */
  async byRequestId(programId: ProgramId, requestId: string): Promise<TurnRow | undefined> {
    const row = await fromStorage(() =>
      prismaOf(this.database).turn.findFirst({
        where: { programId, requestId },
        orderBy: [{ ordinal: 'desc' }, { submittedAt: 'desc' }, { turnId: 'desc' }],
      }),
    );
    return row === null ? undefined : toTurnRow(row);
  }

  /** Turns of a program in order, without their tokens. */
  async listByProgram(programId: ProgramId, page: TurnPageRequest): Promise<Page<TurnSummary>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const [after, turnId] = page.pageToken ? decodePageToken(page.pageToken, ['number', 'string']) : [-1, ''];
    // Whatever a token says, the column is a 32-bit integer.
    const ordinal = Math.min(Math.max(after, -1), 2 ** 31 - 1);
    const rows = await fromStorage(() =>
      prismaOf(this.database).turn.findMany({
        where: { programId, OR: [{ ordinal: { gt: ordinal } }, { ordinal, turnId: { gt: turnId } }] },
        orderBy:
          page.newestFirst === true
            ? [{ ordinal: 'desc' }, { turnId: 'desc' }]
            : [{ ordinal: 'asc' }, { turnId: 'asc' }],
        omit: largeTurnColumns,
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, { item: toTurnSummary, position: (row) => [row.ordinal, row.turnId] });
  }
}
