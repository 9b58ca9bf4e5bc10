/** What happened to a program, in order of time. Errors: DomainError STORAGE_UNAVAILABLE while the database is away. */
import type { Instant, ProgramId } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import type { DecisionRow, PinRow, ToolCallRow } from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';
import {
  largeTurnColumns,
  toDecisionRow,
  toPinRow,
  toToolCallRow,
  toTurnSummary,
  type TurnSummary,
} from './mapping.js';
import { type Page, decodePageToken, requirePageSize, toPage } from './page.js';

const maxPageSize = 500;

/** One thing, at the time it began. */
export type TimelineEntry = { readonly at: Instant; readonly id: string } & (
  | { readonly kind: 'turn'; readonly turn: TurnSummary }
  | { readonly kind: 'toolCall'; readonly toolCall: ToolCallRow }
  | { readonly kind: 'pin'; readonly pin: PinRow }
  | { readonly kind: 'decision'; readonly decision: DecisionRow }
);

/** Of things that began at the same time, which comes first. */
const kinds = ['turn', 'toolCall', 'pin', 'decision'] as const;

interface Position {
  readonly at: bigint;
  /** Place in {@link kinds}. */
  readonly rank: number;
  readonly id: string;
}

/** Reads the turns, tool calls, pins and decisions of a program as one list. */
export class TimelineRepository {
  constructor(private readonly database: Database) {}

  /** A page, oldest first. */
  async list(
    programId: ProgramId,
    page: { readonly pageSize: number; readonly pageToken?: string },
  ): Promise<Page<TimelineEntry>> {
    const pageSize = requirePageSize(page.pageSize, maxPageSize);
    const after = page.pageToken ? positionOf(page.pageToken) : null;
    const take = pageSize + 1;
    const parts = await fromStorage(() =>
      Promise.all([
        this.#turns(programId, after, take),
        this.#toolCalls(programId, after, take),
        this.#pins(programId, after, take),
        this.#decisions(programId, after, take),
      ]),
    );
    const entries = parts.flat().sort(compareEntries).slice(0, take);
    return toPage(entries, pageSize, {
      item: (entry) => entry,
      position: (entry) => [entry.at, kinds.indexOf(entry.kind), entry.id],
    });
  }

  async #turns(programId: ProgramId, after: Position | null, take: number): Promise<TimelineEntry[]> {
    const rows = await prismaOf(this.database).turn.findMany({
      where: { programId, ...afterPosition(after, 0, 'submittedAt', 'turnId') },
      orderBy: [{ submittedAt: 'asc' }, { turnId: 'asc' }],
      omit: largeTurnColumns,
      take,
    });
    return rows.map(toTurnSummary).map((turn) => ({ kind: 'turn', at: turn.submittedAt, id: turn.turnId, turn }));
  }

  async #toolCalls(programId: ProgramId, after: Position | null, take: number): Promise<TimelineEntry[]> {
    const rows = await prismaOf(this.database).toolCall.findMany({
      where: { programId, ...afterPosition(after, 1, 'beganAt', 'toolCallId') },
      orderBy: [{ beganAt: 'asc' }, { toolCallId: 'asc' }],
      take,
    });
    return rows
      .map(toToolCallRow)
      .map((toolCall) => ({ kind: 'toolCall', at: toolCall.beganAt, id: toolCall.toolCallId, toolCall }));
  }

  async #pins(programId: ProgramId, after: Position | null, take: number): Promise<TimelineEntry[]> {
    const rows = await prismaOf(this.database).pin.findMany({
      where: { programId, ...afterPosition(after, 2, 'setAt', 'pinId') },
      orderBy: [{ setAt: 'asc' }, { pinId: 'asc' }],
      take,
    });
    return rows.map(toPinRow).map((pin) => ({ kind: 'pin', at: pin.setAt, id: pin.pinId, pin }));
  }

  async #decisions(programId: ProgramId, after: Position | null, take: number): Promise<TimelineEntry[]> {
    const rows = await prismaOf(this.database).decision.findMany({
      where: { programId, ...afterDecision(after) },
      orderBy: [{ at: 'asc' }, { fencingToken: 'asc' }, { decisionId: 'asc' }],
      take,
    });
    return rows.map((row) => ({
      kind: 'decision',
      at: toDecisionRow(row).at,
      id: `${row.fencingToken}-${row.decisionId}`,
      decision: toDecisionRow(row),
    }));
  }
}

/** Things of one kind that began at once stay in the order in which the database sorts their ids. */
const compareEntries = (a: TimelineEntry, b: TimelineEntry): number =>
  a.at - b.at || kinds.indexOf(a.kind) - kinds.indexOf(b.kind);

const positionOf = (token: string): Position => {
  const [at, rank, id] = decodePageToken(token, ['number', 'number', 'string']);
  return { at: BigInt(at), rank, id };
};

/** Rows of the kind at `rank` that come after the position. */
const afterPosition = (after: Position | null, rank: number, time: string, id: string): object => {
  if (after === null) return {};
  if (rank < after.rank) return { [time]: { gt: after.at } };
  if (rank > after.rank) return { [time]: { gte: after.at } };
  return { OR: [{ [time]: { gt: after.at } }, { [time]: after.at, [id]: { gt: after.id } }] };
};

const afterDecision = (after: Position | null): object => {
  if (after === null) return {};
  if (kinds.indexOf('decision') > after.rank) return { at: { gte: after.at } };
  const [, fencing = '0', decision = '0'] = /^(\d{1,15})-(\d{1,9})$/.exec(after.id) ?? [];
  const fencingToken = BigInt(fencing);
  const { at } = after;
  return {
    OR: [
      { at: { gt: at } },
      { at, fencingToken: { gt: fencingToken } },
      { at, fencingToken, decisionId: { gt: Number(decision) } },
    ],
  };
};
