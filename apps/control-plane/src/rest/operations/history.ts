import { DomainError } from '@holdfast/platform';
import type { JsonValue, TimelineEntry } from '@holdfast/persistence';
import { z } from 'zod';
import { explain, explanationSchema } from '../explanation.js';
import { reads, type Operation } from '../operation.js';
import { pageOf, pageQuery, pageSchema, programId, time, timeText } from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import {
  decisionJson,
  decisionKinds,
  decisionSchema,
  pinJson,
  pinSchema,
  toolCallJson,
  toolCallSchema,
  turnJson,
  turnSchema,
} from '../schemas/program.js';
import { findProgram } from '../whose.js';

const tag = 'history';
const role = 'viewer';
const params = z.strictObject({ programId });
const query = z.strictObject(pageQuery);

const turnId = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/, '1 to 128 characters of A-Z a-z 0-9 . _ : -');

const turnTextSchema = named(
  'TurnText',
  z.strictObject({
    turn: turnSchema,
    messages: z.unknown().meta({ description: 'What the caller sent as text; null for token ids.' }),
    outputText: z.string().nullable(),
  }),
);

const entrySchema = named(
  'TimelineEntry',
  z.strictObject({
    at: time.meta({ description: 'When it began.' }),
    kind: z.enum(['turn', 'toolCall', 'pin', 'decision']),
    turn: turnSchema.nullable(),
    toolCall: toolCallSchema.nullable(),
    pin: pinSchema.nullable(),
    decision: decisionSchema.nullable(),
  }),
);

const entryJson = (entry: TimelineEntry): z.output<typeof entrySchema> => ({
  at: timeText(entry.at),
  kind: entry.kind,
  turn: entry.kind === 'turn' ? turnJson(entry.turn) : null,
  toolCall: entry.kind === 'toolCall' ? toolCallJson(entry.toolCall) : null,
  pin: entry.kind === 'pin' ? pinJson(entry.pin) : null,
  decision: entry.kind === 'decision' ? decisionJson(entry.decision) : null,
});

/** What happened to a program, and why. */
export const historyOperations: readonly Operation[] = [
  reads({
    id: 'getTimeline',
    tag,
    path: '/programs/{programId}/timeline',
    summary: 'Turns, tool calls, pins and decisions of a program on one axis, oldest first.',
    role,
    params,
    query,
    answer: named('TimelinePage', pageSchema(entrySchema)),
    handle: async ({ services, timeline }, { identity, params: asked, query: page }) => {
      const { programId: id } = await findProgram(services, identity, asked.programId);
      const { items, nextPageToken } = await timeline.list(id, pageOf(page));
      return { body: { items: items.map(entryJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  reads({
    id: 'explainProgram',
    tag,
    path: '/programs/{programId}/explanation',
    summary: 'Why a program waited, and why it lost its KV.',
    description: 'Looks at the last 200 turns: those that waited longest or were computed again, with the decisions.',
    role,
    params,
    query: null,
    answer: explanationSchema,
    handle: async (context, { identity, params: asked }) => {
      const { programId: id } = await findProgram(context.services, identity, asked.programId);
      return { body: await explain(context, id) };
    },
  }),
  reads({
    id: 'listTurns',
    tag,
    path: '/programs/{programId}/turns',
    summary: 'Turns of a program, in order.',
    role,
    params,
    query,
    answer: named('TurnPage', pageSchema(turnSchema)),
    handle: async ({ services }, { identity, params: asked, query: page }) => {
      const { programId: id } = await findProgram(services, identity, asked.programId);
      const { items, nextPageToken } = await services.turns.listByProgram(id, pageOf(page));
      return { body: { items: items.map(turnJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  reads({
    id: 'getTurn',
    tag,
    path: '/programs/{programId}/turns/{turnId}',
    summary: 'A turn with its texts.',
    role,
    params: z.strictObject({ programId, turnId }),
    query: null,
    answer: turnTextSchema,
    handle: async ({ services }, { identity, params: asked }) => {
      const { programId: id } = await findProgram(services, identity, asked.programId);
      const row = await services.turns.get(asked.turnId);
      if (row?.programId !== id) throw turnNotFound(asked.turnId);
      const messages: JsonValue = row.messages ?? null;
      return { body: { turn: turnJson(row), messages, outputText: row.outputText ?? null } };
    },
  }),
  reads({
    id: 'listToolCalls',
    tag,
    path: '/programs/{programId}/tool-calls',
    summary: 'Tool calls of a program, oldest first.',
    role,
    params,
    query,
    answer: named('ToolCallPage', pageSchema(toolCallSchema)),
    handle: async ({ services, toolCalls }, { identity, params: asked, query: page }) => {
      const { programId: id } = await findProgram(services, identity, asked.programId);
      const { items, nextPageToken } = await toolCalls.listByProgram(id, pageOf(page));
      return { body: { items: items.map(toolCallJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  reads({
    id: 'listDecisions',
    tag,
    path: '/programs/{programId}/decisions',
    summary: 'Decisions about a program with the inputs that mattered, oldest first.',
    role,
    params,
    query: z.strictObject({ ...pageQuery, kind: z.enum(decisionKinds).optional() }),
    answer: named('DecisionPage', pageSchema(decisionSchema)),
    handle: async ({ services, decisions }, { identity, params: asked, query: page }) => {
      const { programId: id } = await findProgram(services, identity, asked.programId);
      const kind = page.kind === undefined ? {} : { kind: page.kind };
      const { items, nextPageToken } = await decisions.listByProgram(id, { ...pageOf(page), ...kind });
      return { body: { items: items.map(decisionJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
];

const turnNotFound = (turn: string): DomainError =>
  new DomainError({ kind: 'notFound', reason: 'TURN_NOT_FOUND', message: `the program has no turn ${turn}` });
