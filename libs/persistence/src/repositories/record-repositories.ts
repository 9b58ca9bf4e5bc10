/** Readers of the smaller tables. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
import type { ProgramId, ToolCallId } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type { DecisionRow, PinRow, RequestRow, ToolCallRow } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';
import { toDecisionRow, toPinRow, toRequestRow, toToolCallRow } from './mapping.js';
import { type Page, decodePageToken, requirePageSize, toPage } from './page.js';

const maxPageSize = 1_000;

/** A decision and the kernel that made it. */
export interface StoredDecision extends DecisionRow {
  readonly poolId: string;
  readonly fencingToken: number;
}

/** Reads decisions. */
export class DecisionRepository {
  constructor(private readonly database: Database) {}

  /** Decisions about a program, oldest first. */
  async listByProgram(
    programId: ProgramId,
    page: { readonly pageSize: number; readonly pageToken?: string },
  ): Promise<Page<StoredDecision>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const after = page.pageToken ? afterDecision(page.pageToken) : {};
    const rows = await fromStorage(() =>
      prismaOf(this.database).decision.findMany({
        where: { programId, ...after },
        orderBy: [{ at: 'asc' }, { fencingToken: 'asc' }, { decisionId: 'asc' }],
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, {
      item: (row) => ({ ...toDecisionRow(row), poolId: row.poolId, fencingToken: Number(row.fencingToken) }),
      position: (row) => [Number(row.at), Number(row.fencingToken), row.decisionId],
    });
  }
}

function afterDecision(token: string): object {
  const [atMicros, fencing, decisionId] = decodePageToken(token, ['number', 'number', 'number']);
  const at = BigInt(atMicros);
  const fencingToken = BigInt(fencing);
  return {
    OR: [
      { at: { gt: at } },
      { at, fencingToken: { gt: fencingToken } },
      { at, fencingToken, decisionId: { gt: decisionId } },
    ],
  };
}

/** Reads tool calls. */
export class ToolCallRepository {
  constructor(private readonly database: Database) {}

  /** The call, or undefined. */
  async get(programId: ProgramId, toolCallId: ToolCallId): Promise<ToolCallRow | undefined> {
    const where = { programId_toolCallId: { programId, toolCallId } };
    const row = await fromStorage(() => prismaOf(this.database).toolCall.findUnique({ where }));
    return row === null ? undefined : toToolCallRow(row);
  }

  /** Tool calls of a program, oldest first, at most `limit`. */
  async listByProgram(programId: ProgramId, limit = maxPageSize): Promise<ToolCallRow[]> {
    const rows = await fromStorage(() =>
      prismaOf(this.database).toolCall.findMany({
        where: { programId },
        orderBy: [{ beganAt: 'asc' }, { toolCallId: 'asc' }],
        take: limit,
      }),
    );
    return rows.map(toToolCallRow);
  }
}

/** Reads lives of pins. */
export class PinRepository {
  constructor(private readonly database: Database) {}

  /** Pins of a program, oldest first, at most `limit`. */
  async listByProgram(programId: ProgramId, limit = maxPageSize): Promise<PinRow[]> {
    const rows = await fromStorage(() =>
      prismaOf(this.database).pin.findMany({
        where: { programId },
        orderBy: [{ setAt: 'asc' }, { pinId: 'asc' }],
        take: limit,
      }),
    );
    return rows.map(toPinRow);
  }
}

/** Reads accepted requests. */
export class RequestRepository {
  constructor(private readonly database: Database) {}

  /** The request that was accepted under this id, or undefined. */
  async find(scope: string, requestId: string): Promise<RequestRow | undefined> {
    const where = { scope_requestId: { scope, requestId } };
    const row = await fromStorage(() => prismaOf(this.database).request.findUnique({ where }));
    return row === null ? undefined : toRequestRow(row);
  }
}
