import { programStates } from '@holdfast/persistence';
import { program as wire } from '@holdfast/contracts';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { endProgram } from '../../programs/end-program.js';
import { programEnded } from '../../programs/program-errors.js';
import { prioritizeProgram } from '../../programs/prioritize-program.js';
import { listCurrentPrograms } from '../../programs/program-queries.js';
import { changes, reads, type Operation } from '../operation.js';
import { requireVersion } from '../read-request.js';
import { named } from '../schemas/named.js';
import { pageOf, pageQuery, pageSchema, programId, reasonText, tenantId, timeFromText } from '../schemas/fields.js';
import { programJson, programSchema } from '../schemas/program.js';
import { auditTarget, findProgram, listedTenant } from '../whose.js';

const tag = 'programs';
const params = z.strictObject({ programId });
const prioritySchema = named(
  'Priority',
  z.strictObject({
    priority: z
      .int('-2 to 2')
      .min(-2, '-2 to 2')
      .max(2, '-2 to 2')
      .meta({ description: 'Turns of a larger one are served first; 0 unless it was changed.' }),
  }),
);

/** Look programs up, end them, change their priority. */
export const programOperations: readonly Operation[] = [
  reads({
    id: 'listPrograms',
    tag,
    path: '/programs',
    summary: 'Programs, newest first.',
    role: 'viewer',
    params: null,
    query: z.strictObject({
      ...pageQuery,
      state: z.array(z.enum(programStates)).max(7, 'each state once').optional(),
      startedAfter: z.iso.datetime({ offset: true, error: 'a time of RFC 3339' }).optional(),
      tenantId: tenantId.optional().meta({ description: "Only this tenant's; for keys that see all." }),
    }),
    answer: named('ProgramPage', pageSchema(programSchema)),
    handle: async ({ services }, { identity, query }) => {
      const tenant = listedTenant(identity, query.tenantId);
      const { items, nextPageToken } = await listCurrentPrograms(services, {
        ...pageOf(query),
        ...(query.state === undefined ? {} : { states: query.state }),
        ...(query.startedAfter === undefined ? {} : { startedAfter: timeFromText(query.startedAfter) }),
        ...(tenant === undefined ? {} : { tenantId: tenant }),
      });
      const body = items.map((row) => programJson(identity, row, services.pool.program(row.programId)));
      return { body: { items: body, nextPageToken: nextPageToken ?? null } };
    },
  }),
  reads({
    id: 'getProgram',
    tag,
    path: '/programs/{programId}',
    summary: 'A program as it is now.',
    role: 'viewer',
    params,
    query: null,
    answer: programSchema,
    handle: async ({ services }, { identity, params: asked }) => {
      const row = await findProgram(services, identity, asked.programId);
      return { body: programJson(identity, row, services.pool.program(row.programId)) };
    },
  }),
  changes({
    id: 'endProgram',
    method: 'POST',
    tag,
    path: '/programs/{programId}/end',
    summary: 'Ends a program: a running turn is cancelled, what is held for it is released.',
    role: 'operator',
    params,
    query: null,
    body: named(
      'ProgramEnd',
      z.strictObject({
        outcome: z.enum(['completed', 'failed']),
        message: reasonText.meta({ description: 'Why, for people.' }),
      }),
    ),
    answer: programSchema,
    handle: async ({ services }, { identity, params: asked, body }) => {
      const found = await findProgram(services, identity, asked.programId);
      await endProgram(services, {
        programId: found.programId,
        requestId: randomUUID(),
        outcome: body.outcome === 'failed' ? wire.ProgramOutcome.FAILED : wire.ProgramOutcome.COMPLETED,
        message: body.message,
      });
      const row = await findProgram(services, identity, asked.programId);
      return {
        body: programJson(identity, row, null),
        change: { ...auditTarget('program', row), details: { outcome: body.outcome } },
      };
    },
  }),
  reads({
    id: 'getPriority',
    tag,
    path: '/programs/{programId}/priority',
    summary: "A program's priority.",
    role: 'viewer',
    params,
    query: null,
    answer: prioritySchema,
    hasVersion: true,
    handle: async ({ services }, { identity, params: asked }) => {
      const { priority } = await findProgram(services, identity, asked.programId);
      return { body: { priority }, version: String(priority) };
    },
  }),
  changes({
    id: 'changePriority',
    method: 'PUT',
    tag,
    path: '/programs/{programId}/priority',
    summary: "Changes a program's priority, of turns that wait as well.",
    role: 'operator',
    params,
    query: null,
    body: prioritySchema,
    needsVersion: true,
    hasVersion: true,
    answer: prioritySchema,
    handle: async ({ services }, { identity, params: asked, body, ifMatch }) => {
      const row = await findProgram(services, identity, asked.programId);
      // Nothing waits between these looks and the change.
      requireVersion(ifMatch, String(row.priority));
      if (row.endedAt != null) throw programEnded(row.programId, row.state);
      prioritizeProgram(services, row.programId, body.priority);
      await services.journal.flush();
      const change = { ...auditTarget('program', row), details: { from: row.priority, to: body.priority } };
      return { body: { priority: body.priority }, version: String(body.priority), change };
    },
  }),
];
