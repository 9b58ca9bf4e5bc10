import { millis } from '@holdfast/scheduling';
import { z } from 'zod';
import { releasePin, renewPin } from '../../scheduling/steer-pin.js';
import { changes, reads, type Operation } from '../operation.js';
import { count, pageOf, pageQuery, pageSchema, programId, tenantId, time, timeText } from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import { pinJson, pinSchema, programJson, programSchema } from '../schemas/program.js';
import { auditTarget, findProgram, listedTenant, shownId } from '../whose.js';
import { pageOfSorted } from '../page-of-sorted.js';

const tag = 'pins';
const params = z.strictObject({ programId });

const heldPinSchema = named(
  'HeldPin',
  z.strictObject({
    programId: z.string(),
    tenantId: z.string(),
    engineId: z.string(),
    pinnedTokens: count,
    expiresAt: time,
    isSoft: z.boolean().meta({ description: 'Evicted last, instead of not at all.' }),
    value: z
      .number()
      .nullable()
      .meta({ description: 'Seconds of completion time saved per share of the pool; null is beyond every bid.' }),
  }),
);

/** The KV that is held, and steering it. */
export const pinOperations: readonly Operation[] = [
  reads({
    id: 'listPins',
    tag,
    path: '/pins',
    summary: 'Pins that are held now, by program.',
    role: 'viewer',
    params: null,
    query: z.strictObject({
      ...pageQuery,
      tenantId: tenantId.optional().meta({ description: "Only this tenant's; for keys that see all." }),
    }),
    answer: named('HeldPinPage', pageSchema(heldPinSchema)),
    handle: async ({ services }, { identity, query }) => {
      const tenant = listedTenant(identity, query.tenantId);
      const held = [...services.book.all()].flatMap(({ programId: id, facts }) => {
        const pin = services.pool.program(id)?.pin ?? null;
        const isListed = tenant === undefined || facts.tenantId === tenant;
        return isListed && pin !== null && pin.pinnedTokens > 0 ? [{ id, tenantId: facts.tenantId, pin }] : [];
      });
      const { items, nextPageToken } = pageOfSorted(held, pageOf(query), ({ id }) => id);
      const body = items.map(({ id, tenantId: ofTenant, pin }) => ({
        programId: shownId(identity, { programId: id, tenantId: ofTenant }),
        tenantId: ofTenant,
        engineId: pin.engineId,
        pinnedTokens: pin.pinnedTokens,
        expiresAt: timeText(pin.expiresAt),
        isSoft: pin.terms.soft,
        value: pin.terms.value,
      }));
      return { body: { items: body, nextPageToken } };
    },
  }),
  reads({
    id: 'listProgramPins',
    tag,
    path: '/programs/{programId}/pins',
    summary: 'All pins that a program had, with what became of them, oldest first.',
    role: 'viewer',
    params,
    query: z.strictObject(pageQuery),
    answer: named('PinPage', pageSchema(pinSchema)),
    handle: async ({ services, pins }, { identity, params: asked, query }) => {
      const { programId: id } = await findProgram(services, identity, asked.programId);
      const { items, nextPageToken } = await pins.listByProgram(id, pageOf(query));
      return { body: { items: items.map(pinJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  changes({
    id: 'renewPin',
    method: 'PUT',
    tag,
    path: '/programs/{programId}/pin',
    summary: "Gives the program's pin another time to live, from now on.",
    description: 'The policy goes on deciding: what it wants next may differ.',
    role: 'operator',
    params,
    query: null,
    body: named(
      'PinRenewal',
      z.strictObject({ ttlSeconds: z.number('0.1 to 86400').min(0.1, '0.1 to 86400').max(86_400, '0.1 to 86400') }),
    ),
    answer: programSchema,
    handle: async ({ services }, { identity, params: asked, body }) => {
      const row = await findProgram(services, identity, asked.programId);
      await renewPin(services.pool, row.programId, millis(body.ttlSeconds * 1_000));
      const change = { ...auditTarget('pin', row), details: { ttlSeconds: body.ttlSeconds } };
      return { body: programJson(identity, row, services.pool.program(row.programId)), change };
    },
  }),
  changes({
    id: 'releasePin',
    method: 'DELETE',
    tag,
    path: '/programs/{programId}/pin',
    summary: "Gives the program's pin up: the engine may evict its KV.",
    role: 'operator',
    params,
    query: null,
    body: null,
    answer: null,
    handle: async ({ services }, { identity, params: asked }) => {
      const row = await findProgram(services, identity, asked.programId);
      await releasePin(services.pool, row.programId);
      return { body: null, change: auditTarget('pin', row) };
    },
  }),
];
