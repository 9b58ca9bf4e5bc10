/** What a restarted scheduler needs to go on: live programs with their contexts. */
import type { ProgramId } from '@holdfast/scheduling';
import { type Database, prismaOf } from '../database.js';
import { rebuildContext } from '../model/context.js';
import type {
  JsonValue,
  PinRow,
  ProgramRow,
  StoredTurnInputKind,
  StoredTurnState,
  ToolCallRow,
  TurnRow,
} from '../model/rows.js';
import { fromStorage } from '../storage-errors.js';
import { toPinRow, toProgramRow, toToolCallRow, toTurnRow } from './mapping.js';

/** What a finished turn that came as text said. */
export interface TextTurn {
  readonly inputKind: StoredTurnInputKind;
  readonly messages: JsonValue;
  readonly outputText: string;
}

/** A program that had not ended when its scheduler stopped. */
export interface LiveProgram {
  readonly program: ProgramRow;
  /** Token ids after its last finished turn. */
  readonly context: Uint32Array;
  /** Ordinal that its next turn gets. */
  readonly nextOrdinal: number;
  /** Turns that were cut: submitted, dispatched or started. */
  readonly unfinishedTurns: readonly TurnRow[];
  readonly openToolCalls: readonly ToolCallRow[];
  /** Pins that had not ended. */
  readonly openPins: readonly PinRow[];
  /** Finished text turns, oldest first, from the last whole conversation on. */
  readonly textTurns: readonly TextTurn[];
}

const unfinished: StoredTurnState[] = ['submitted', 'dispatched', 'started'];

/** Contexts are large: few programs are in memory at once. */
const programsPerPage = 50;

/**
 * Live programs of a pool in the order of their ids, contexts rebuilt from their turns. Reads page by page; the order
 * of arrival is the caller's to restore (`program.startedAt`).
 *
 * @throws DomainError STORAGE_UNAVAILABLE while the database is away; Error when stored turns do not fit together.
 */
export async function* loadLivePrograms(
  database: Database,
  poolId: string,
): AsyncGenerator<LiveProgram, void, undefined> {
  for (let after = ''; ;) {
    const rows = await fromStorage(() =>
      prismaOf(database).program.findMany({
        where: { poolId, endedAt: null, programId: { gt: after } },
        orderBy: { programId: 'asc' },
        take: programsPerPage,
      }),
    );
    yield* await loadPage(database, rows.map(toProgramRow));
    const last = rows.at(-1);
    if (last === undefined || rows.length < programsPerPage) return;
    after = last.programId;
  }
}

async function loadPage(database: Database, programs: readonly ProgramRow[]): Promise<LiveProgram[]> {
  const prisma = prismaOf(database);
  const programId = { in: programs.map((program) => program.programId) };
  const [turnRows, toolCallRows, pinRows] = await fromStorage(() =>
    Promise.all([
      prisma.turn.findMany({
        where: { programId, state: { in: ['finished', ...unfinished] } },
        orderBy: [{ programId: 'asc' }, { ordinal: 'asc' }, { turnId: 'asc' }],
      }),
      prisma.toolCall.findMany({
        where: { programId, endedAt: null },
        orderBy: [{ beganAt: 'asc' }, { toolCallId: 'asc' }],
      }),
      prisma.pin.findMany({ where: { programId, endedAt: null }, orderBy: [{ setAt: 'asc' }, { pinId: 'asc' }] }),
    ]),
  );
  const ordinals = await lastOrdinals(database, programId.in);
  const turns = groupByProgram(turnRows.map(toTurnRow));
  const toolCalls = groupByProgram(toolCallRows.map(toToolCallRow));
  const pins = groupByProgram(pinRows.map(toPinRow));
  return programs.map((program) => {
    const own = turns.get(program.programId) ?? [];
    const finished = own.filter((turn) => turn.state === 'finished');
    const steps = finished.map((turn) => ({ ...turn, outputIds: turn.outputIds ?? new Uint32Array() }));
    return {
      program,
      context: rebuildContext(program.programId, steps),
      nextOrdinal: (ordinals.get(program.programId) ?? -1) + 1,
      unfinishedTurns: own.filter((turn) => turn.state !== 'finished'),
      openToolCalls: toolCalls.get(program.programId) ?? [],
      openPins: pins.get(program.programId) ?? [],
      textTurns: textTurnsOf(finished),
    };
  });
}

/** Failed and cancelled turns count too: an ordinal is used once. */
async function lastOrdinals(database: Database, programIds: readonly ProgramId[]): Promise<Map<ProgramId, number>> {
  const groups = await fromStorage(() =>
    prismaOf(database).turn.groupBy({
      by: ['programId'],
      where: { programId: { in: [...programIds] } },
      _max: { ordinal: true },
    }),
  );
  return new Map(groups.map((group) => [group.programId, group._max.ordinal ?? -1]));
}

function textTurnsOf(finished: readonly TurnRow[]): TextTurn[] {
  const texts = finished.filter((turn) => turn.inputKind === 'conversation' || turn.inputKind === 'appendMessages');
  const start = texts.findLastIndex((turn) => turn.inputKind === 'conversation');
  return texts.slice(Math.max(start, 0)).map(({ inputKind, messages, outputText }) => ({
    inputKind,
    messages: messages ?? null,
    outputText: outputText ?? '',
  }));
}

function groupByProgram<Row extends { readonly programId: ProgramId }>(rows: readonly Row[]): Map<ProgramId, Row[]> {
  const groups = new Map<ProgramId, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.programId);
    if (group) group.push(row);
    else groups.set(row.programId, [row]);
  }
  return groups;
}
