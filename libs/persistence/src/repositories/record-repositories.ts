/** Readers of the smaller tables. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
import type { ProgramId, ToolCallId } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type { DecisionRow, PinRow, RequestRow, ToolCallRow } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';
import { toDecisionRow, toPinRow, toRequestRow, toToolCallRow } from './mapping.js';
import { type Page, decodePageToken, requirePageSize, toPage } from './page.js';

const maxPageSize = 1_000;

interface PageOptions {
  readonly pageSize: number;
  readonly pageToken?: string;
  /** The last ones, backwards; without a token. */
  readonly newestFirst?: boolean;
}

const direction = ({ newestFirst }: PageOptions): 'asc' | 'desc' => (newestFirst === true ? 'desc' : 'asc');

/** Rows after the token's, in the order of a time and an id. */
const afterRow = (pageToken: string | undefined, time: string, id: string): object => {
  if (pageToken === undefined || pageToken === '') return {};
  const [atMicros, lastId] = decodePageToken(pageToken, ['number', 'string']);
  const at = BigInt(atMicros);
  return { OR: [{ [time]: { gt: at } }, { [time]: at, [id]: { gt: lastId } }] };
};

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
    page: PageOptions & { readonly kind?: DecisionRow['kind'] },
  ): Promise<Page<StoredDecision>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const after = page.pageToken ? afterDecision(page.pageToken) : {};
    const rows = await fromStorage(() =>
      prismaOf(this.database).decision.findMany({
        where: { programId, ...(page.kind === undefined ? {} : { kind: page.kind }), ...after },
        orderBy: [{ at: direction(page) }, { fencingToken: direction(page) }, { decisionId: direction(page) }],
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

  /** Tool calls of a program, oldest first. */
  async listByProgram(programId: ProgramId, page: PageOptions): Promise<Page<ToolCallRow>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const rows = await fromStorage(() =>
      prismaOf(this.database).toolCall.findMany({
        where: { programId, ...afterRow(page.pageToken, 'beganAt', 'toolCallId') },
        orderBy: [{ beganAt: direction(page) }, { toolCallId: direction(page) }],
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, { item: toToolCallRow, position: (row) => [Number(row.beganAt), row.toolCallId] });
  }
}

/** Reads lives of pins. */
export class PinRepository {
  constructor(private readonly database: Database) {}

  /** Pins of a program, oldest first. */
  async listByProgram(programId: ProgramId, page: PageOptions): Promise<Page<PinRow>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const rows = await fromStorage(() =>
      prismaOf(this.database).pin.findMany({
        where: { programId, ...afterRow(page.pageToken, 'setAt', 'pinId') },
        orderBy: [{ setAt: direction(page) }, { pinId: direction(page) }],
        take: pageSize + 1,
      }),
    );
    return toPage(rows, pageSize, { item: toPinRow, position: (row) => [Number(row.setAt), row.pinId] });
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
