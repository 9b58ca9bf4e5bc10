/** A program and what belongs to it, as REST shows them. */
import {
  programStates,
  turnStates,
  type DecisionRow,
  type PinRow,
  type ProgramRow,
  type ToolCallRow,
  type TurnSummary,
} from '@holdfast/persistence';
import type { ProgramView } from '@holdfast/scheduling';
import { z } from 'zod';
import type { Identity } from '../../identity/identity.js';
import { shownId } from '../whose.js';
import { count, durationSeconds, secondsOrNull, time, timeText, timeTextOrNull } from './fields.js';
import { named } from './named.js';

const livePin = named(
  'LivePin',
  z.strictObject({ engineId: z.string(), pinnedTokens: count, expiresAt: time }).meta({
    description: 'A pin that an engine holds now.',
  }),
);

export const programSchema = named(
  'Program',
  z.strictObject({
    programId: z.string(),
    tenantId: z.string(),
    name: z.string(),
    model: z.string(),
    programClass: z.string(),
    parentId: z.string().nullable().meta({ description: 'The program that started it, which may have ended since.' }),
    state: z.enum(programStates),
    priority: z.int().meta({ description: 'Larger is served first; 0 unless it was changed.' }),
    expectedTurns: count.nullable(),
    expectedTokens: count.nullable(),
    idleLimitSeconds: durationSeconds,
    startedAt: time,
    lastActiveAt: time,
    endedAt: time.nullable(),
    endMessage: z.string().nullable(),
    turnsFinished: count,
    toolCallsEnded: count,
    contextTokens: count,
    promptTokens: count,
    cachedTokens: count,
    outputTokens: count,
    recomputedTokens: count.meta({ description: 'Prompt tokens that had been computed before and were not cached.' }),
    engineId: z.string().nullable().meta({ description: 'Engine that computed its context last.' }),
    pin: livePin.nullable(),
  }),
);

/** Pure. `view` is the kernel's, null after the end. */
export const programJson = (
  identity: Identity,
  row: ProgramRow,
  view: ProgramView | null,
): z.output<typeof programSchema> => ({
  programId: shownId(identity, row),
  tenantId: row.tenantId,
  name: row.name,
  model: row.model,
  programClass: row.programClass,
  parentId: row.parentId == null ? null : shownId(identity, { tenantId: row.tenantId, programId: row.parentId }),
  state: row.state,
  priority: row.priority,
  expectedTurns: row.expectedTurns ?? null,
  expectedTokens: row.expectedTokens ?? null,
  idleLimitSeconds: row.idleLimit / 1_000_000,
  startedAt: timeText(row.startedAt),
  lastActiveAt: timeText(row.lastActiveAt),
  endedAt: timeTextOrNull(row.endedAt),
  endMessage: row.endMessage ?? null,
  turnsFinished: row.turnsFinished,
  toolCallsEnded: row.toolCallsEnded,
  contextTokens: row.contextTokens,
  promptTokens: row.promptTokens,
  cachedTokens: row.cachedTokens,
  outputTokens: row.outputTokens,
  recomputedTokens: row.recomputedTokens,
  engineId: row.engineId ?? null,
  pin: livePinJson(view),
});

/** Pure. A pin that was only asked for is none. */
const livePinJson = (view: ProgramView | null): z.output<typeof livePin> | null => {
  const pin = view?.pin ?? null;
  if (pin === null || pin.pinnedTokens === 0) return null;
  return { engineId: pin.engineId, pinnedTokens: pin.pinnedTokens, expiresAt: timeText(pin.expiresAt) };
};

const turnFields = {
  turnId: z.string(),
  ordinal: count.meta({ description: "Counts the program's turns from 0." }),
  state: z.enum(turnStates),
  isLast: z.boolean(),
  promptTokens: count,
  keptTokens: count.meta({ description: "Leading tokens of the program's context that the prompt keeps." }),
  cachedTokens: count.nullable(),
  outputTokens: count.nullable(),
  recomputedTokens: count.nullable(),
  finishReason: z.enum(['stop', 'length', 'abort']).nullable(),
  engineId: z.string().nullable(),
  submittedAt: time,
  dispatchedAt: time.nullable(),
  startedAt: time.nullable().meta({ description: 'First output token.' }),
  finishedAt: time.nullable(),
  queueWaitSeconds: durationSeconds.nullable().meta({ description: 'From submission to dispatch.' }),
  failureReason: z.string().nullable(),
  failureMessage: z.string().nullable(),
};

export const turnSchema = named('Turn', z.strictObject(turnFields));

/** Pure. */
export const turnJson = (row: TurnSummary): z.output<typeof turnSchema> => ({
  turnId: row.turnId,
  ordinal: row.ordinal,
  state: row.state,
  isLast: row.isLast,
  promptTokens: row.promptTokens,
  keptTokens: row.keepTokens,
  cachedTokens: row.cachedTokens ?? null,
  outputTokens: row.outputTokens ?? null,
  recomputedTokens: row.recomputedTokens ?? null,
  finishReason: row.finishReason ?? null,
  engineId: row.engineId ?? null,
  submittedAt: timeText(row.submittedAt),
  dispatchedAt: timeTextOrNull(row.dispatchedAt),
  startedAt: timeTextOrNull(row.startedAt),
  finishedAt: timeTextOrNull(row.finishedAt),
  queueWaitSeconds: row.dispatchedAt == null ? null : (row.dispatchedAt - row.submittedAt) / 1_000_000,
  failureReason: row.failureReason ?? null,
  failureMessage: row.failureMessage ?? null,
});

export const toolCallSchema = named(
  'ToolCall',
  z.strictObject({
    toolCallId: z.string(),
    tool: z.string(),
    commandClass: z.string().nullable(),
    timeoutSeconds: durationSeconds.nullable(),
    beganAt: time,
    endedAt: time.nullable().meta({ description: 'Null while it runs.' }),
    outcome: z.enum(['succeeded', 'failed', 'cancelled']).nullable(),
  }),
);

/** Pure. */
export const toolCallJson = (row: ToolCallRow): z.output<typeof toolCallSchema> => ({
  toolCallId: row.toolCallId,
  tool: row.tool,
  commandClass: row.commandClass ?? null,
  timeoutSeconds: secondsOrNull(row.timeout),
  beganAt: timeText(row.beganAt),
  endedAt: timeTextOrNull(row.endedAt),
  outcome: row.outcome ?? null,
});

const outcomes = z.enum(['hit', 'expired', 'revoked', 'released', 'lost', 'replaced']);

export const pinSchema = named(
  'Pin',
  z.strictObject({
    pinId: z.string(),
    engineId: z.string(),
    pinnedTokens: count,
    setAt: time,
    expiresAt: time,
    endedAt: time.nullable().meta({ description: 'Null while it is held.' }),
    outcome: outcomes.nullable(),
    reason: z.string().nullable().meta({ description: 'Why it was revoked: growth, outbid or stall.' }),
  }),
);

/** Pure. */
export const pinJson = (row: PinRow): z.output<typeof pinSchema> => ({
  pinId: row.pinId,
  engineId: row.engineId,
  pinnedTokens: row.pinnedTokens,
  setAt: timeText(row.setAt),
  expiresAt: timeText(row.expiresAt),
  endedAt: timeTextOrNull(row.endedAt),
  outcome: row.outcome ?? null,
  reason: row.reason ?? null,
});

export const decisionKinds = ['dispatch', 'retention', 'rejection'] as const;

export const decisionSchema = named(
  'Decision',
  z.strictObject({
    decisionId: z.int(),
    at: time,
    kind: z.enum(decisionKinds),
    policy: z.string(),
    turnId: z.string().nullable(),
    engineId: z.string().nullable(),
    choice: z.string(),
    reason: z.string(),
    inputs: z
      .record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()]))
      .meta({ description: 'The numbers that mattered, with units in their names.' }),
    lowering: z.string().nullable().meta({ description: 'What the engine cannot do, and what was done instead.' }),
    outcome: outcomes.nullable(),
    outcomeAt: time.nullable(),
  }),
);

/** Pure. */
export const decisionJson = (row: DecisionRow): z.output<typeof decisionSchema> => ({
  decisionId: row.decisionId,
  at: timeText(row.at),
  kind: row.kind,
  policy: row.policy,
  turnId: row.turnId ?? null,
  engineId: row.engineId ?? null,
  choice: row.choice,
  reason: row.reason,
  inputs: { ...row.inputs },
  lowering: row.lowering ?? null,
  outcome: row.outcome ?? null,
  outcomeAt: timeTextOrNull(row.outcomeAt),
});
