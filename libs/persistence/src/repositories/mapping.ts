/** Prisma rows to rows of this package. Counts and times stay below 2^53, so bigint becomes number exactly. */
import { type Duration, type Instant, instant, micros } from '@holdfast/scheduling';
import type * as db from '../generated/models.js';
import type { DecisionRow, JsonValue, PinRow, ProgramRow, RequestRow, ToolCallRow, TurnRow } from '../model/rows.js';
import { tokenIdsFromBytes } from '../model/token-ids.js';

const at = (value: bigint): Instant => instant(Number(value));
const atOrNull = (value: bigint | null): Instant | null => (value === null ? null : at(value));
const length = (value: bigint): Duration => micros(Number(value));
const numberOrNull = (value: bigint | null): number | null => (value === null ? null : Number(value));

/** Columns of a turn that can be large; lists leave them out. */
export const largeTurnColumns = {
  appendedIds: true,
  outputIds: true,
  outputLogprobs: true,
  messages: true,
  outputText: true,
} as const;

/** A turn without its tokens and texts. */
export type TurnSummary = Omit<TurnRow, keyof typeof largeTurnColumns>;

/** Pure. */
export const toProgramRow = (row: db.ProgramModel): ProgramRow => ({
  ...row,
  expectedTokens: numberOrNull(row.expectedTokens),
  idleLimit: length(row.idleLimit),
  startedAt: at(row.startedAt),
  lastActiveAt: at(row.lastActiveAt),
  endedAt: atOrNull(row.endedAt),
  promptTokens: Number(row.promptTokens),
  cachedTokens: Number(row.cachedTokens),
  outputTokens: Number(row.outputTokens),
  recomputedTokens: Number(row.recomputedTokens),
});

/** Pure. */
export const toTurnSummary = (row: Omit<db.TurnModel, keyof typeof largeTurnColumns>): TurnSummary => ({
  ...row,
  submittedAt: at(row.submittedAt),
  dispatchedAt: atOrNull(row.dispatchedAt),
  startedAt: atOrNull(row.startedAt),
  finishedAt: atOrNull(row.finishedAt),
});

/** Pure. */
export const toTurnRow = (row: db.TurnModel): TurnRow => ({
  ...toTurnSummary(row),
  appendedIds: tokenIdsFromBytes(row.appendedIds),
  outputIds: row.outputIds === null ? null : tokenIdsFromBytes(row.outputIds),
  outputLogprobs: row.outputLogprobs,
  messages: row.messages as JsonValue,
  outputText: row.outputText,
});

/** Pure. */
export const toToolCallRow = (row: db.ToolCallModel): ToolCallRow => ({
  ...row,
  timeout: row.timeout === null ? null : length(row.timeout),
  beganAt: at(row.beganAt),
  endedAt: atOrNull(row.endedAt),
});

/** Pure. */
export const toPinRow = (row: db.PinModel): PinRow => ({
  ...row,
  setAt: at(row.setAt),
  expiresAt: at(row.expiresAt),
  endedAt: atOrNull(row.endedAt),
});

/** Pure. */
export const toDecisionRow = (row: db.DecisionModel): DecisionRow => ({
  decisionId: row.decisionId,
  at: at(row.at),
  kind: row.kind,
  policy: row.policy,
  programId: row.programId,
  ...(row.turnId === null ? {} : { turnId: row.turnId }),
  ...(row.engineId === null ? {} : { engineId: row.engineId }),
  choice: row.choice,
  reason: row.reason,
  inputs: row.inputs as DecisionRow['inputs'],
  ...(row.lowering === null ? {} : { lowering: row.lowering }),
  outcome: row.outcome,
  outcomeAt: atOrNull(row.outcomeAt),
});

/** Pure. */
export const toRequestRow = (row: db.RequestModel): RequestRow => ({ ...row, recordedAt: at(row.recordedAt) });
