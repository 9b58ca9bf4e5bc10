import { z } from 'zod';
import type { Identity } from '../../identity/identity.js';
import { askForBuilds, askForPrefetch, type AskedWork, type SourceOf } from '../../chunks/source-work.js';
import { plainText } from '../../programs/plain-text.js';
import { changes, reads, type Change, type Operation } from '../operation.js';
import { pageOfSorted } from '../page-of-sorted.js';
import { requireVersion, versionConflict } from '../read-request.js';
import type { RestContext } from '../rest-context.js';
import { count, pageOf, pageQuery, pageSchema, tenantId, time, timeText } from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import { listedTenant } from '../whose.js';
import { findTenant } from './tenants.js';

const tag = 'chunks';
const params = z.strictObject({ tenantId });
const sourceText = plainText(1, 256);
const versionText = plainText(1, 128);
const quotaField = z
  .int('0 to 10^15')
  .min(0, '0 to 10^15')
  .max(1e15, '0 to 10^15')
  .nullable()
  .meta({ description: "Bytes in each engine; null is the service's default." });

const variantSchema = named(
  'ChunkVariant',
  z.strictObject({
    variantId: z.string(),
    engineId: z.string(),
    tenantId: z.string(),
    chunkId: z.string().meta({ description: 'The same for the same text, source, version, salt and model.' }),
    name: z.string().meta({ description: 'As the application named the chunk.' }),
    source: z.string(),
    sourceVersion: z.string(),
    foundation: z
      .enum(['bare', 'system', 'neutral'])
      .meta({ description: 'What stood before it: nothing, a system prompt, or several contexts in the mean.' }),
    preceding: z.array(z.string()).meta({ description: 'Chunks that preceded it when it was computed.' }),
    lengthTokens: count,
    sizeBytes: count,
    value: z.number().meta({ description: 'What keeping it is worth, a byte; the least leaves first.' }),
    storedAt: time,
  }),
);

const quotaSchema = named(
  'ChunkQuota',
  z.strictObject({ tenantId: z.string(), quotaBytes: quotaField, usedBytes: z.record(z.string(), count) }),
);

const chunkName = plainText(1, 256);
const chunkText = z
  .string('1 to 65,536 characters')
  .min(1, '1 to 65,536 characters')
  .max(65_536, '1 to 65,536 characters');
const askedSchema = named(
  'ChunkWork',
  z.strictObject({
    jobIds: z.array(z.string()).readonly(),
    count: count.meta({ description: 'Chunks or variants that the jobs are about, over all engines.' }),
  }),
);

/** Pure. */
const sourceOf = (
  asked: string,
  { source, sourceVersion }: { readonly source: string; readonly sourceVersion?: string | undefined },
): SourceOf => ({ tenantId: asked, source, ...(sourceVersion === undefined ? {} : { sourceVersion }) });

const changeOf = (
  kind: string,
  ofTenant: string,
  { source, sourceVersion = null }: { readonly source: string; readonly sourceVersion?: string | null | undefined },
  { jobIds, count: chunks }: AskedWork,
): Change => ({
  target: `${kind}/${source}`,
  ofTenant,
  details: { sourceVersion, jobs: jobIds.length, chunks },
});

/** Stored KV of chunks: what there is, what it is worth, building, fetching and throwing away, quotas. */
export const chunkOperations: readonly Operation[] = [
  reads({
    id: 'listChunkVariants',
    tag,
    path: '/chunks',
    summary: 'Stored KV of chunks in the engines that are attached, by variant.',
    role: 'viewer',
    params: null,
    query: z.strictObject({
      ...pageQuery,
      tenantId: tenantId.optional().meta({ description: "Only this tenant's; for keys that see all." }),
      source: sourceText.optional(),
    }),
    answer: named('ChunkVariantPage', pageSchema(variantSchema)),
    handle: async ({ services }, { identity, query }) => {
      const tenant = listedTenant(identity, query.tenantId);
      const all = services.chunks.shelves.flatMap((shelf) =>
        shelf.variants().map((known) => ({ known, engineId: shelf.engineId, value: shelf.worthOf(known.variant.id) })),
      );
      const listed = all.filter(
        ({ known: { variant } }) =>
          (tenant === undefined || variant.chunk.tenant === tenant) &&
          (query.source === undefined || variant.chunk.source === query.source),
      );
      const { items, nextPageToken } = pageOfSorted(listed, pageOf(query), ({ known }) => known.variant.id);
      const body = items.map(({ known: { variant, name, storedAt }, engineId, value }) => ({
        variantId: variant.id,
        engineId,
        tenantId: variant.chunk.tenant,
        chunkId: variant.chunk.id,
        name,
        source: variant.chunk.source,
        sourceVersion: variant.chunk.sourceVersion,
        foundation: variant.context.foundation,
        preceding: variant.context.chunks.map(({ id }) => id),
        lengthTokens: variant.lengthTokens,
        sizeBytes: variant.sizeBytes,
        value,
        storedAt: timeText(storedAt),
      }));
      return { body: { items: body, nextPageToken } };
    },
  }),
  changes({
    id: 'invalidateChunks',
    method: 'POST',
    tag,
    path: '/tenants/{tenantId}/chunks/invalidate',
    summary: 'Throws away the stored KV of a source, and what was computed in its sight.',
    description: 'With keepSourceVersion, every version but this one.',
    role: 'operator',
    params,
    query: null,
    body: named('ChunkInvalidation', z.strictObject({ source: sourceText, keepSourceVersion: versionText.optional() })),
    answer: named('InvalidatedChunks', z.strictObject({ variants: count })),
    handle: async (context, { identity, params: asked, body }) => {
      await findTenant(context, identity, asked.tenantId);
      const { repository } = context.services.chunks;
      await repository.removeTexts(asked.tenantId, body.source, body.keepSourceVersion ?? null);
      let variants = 0;
      for (const shelf of context.services.chunks.shelves) {
        variants += shelf.invalidate(
          ({ variant: { chunk } }) =>
            chunk.tenant === asked.tenantId &&
            chunk.source === body.source &&
            chunk.sourceVersion !== body.keepSourceVersion,
        ).length;
        await shelf.settled();
      }
      const change = {
        target: `chunks/${body.source}`,
        ofTenant: asked.tenantId,
        details: { keepSourceVersion: body.keepSourceVersion ?? null, variants },
      };
      return { body: { variants }, change };
    },
  }),
  changes({
    id: 'buildChunks',
    method: 'POST',
    tag,
    path: '/tenants/{tenantId}/chunks/build',
    summary: 'Starts jobs that build KV of a source that is near to that in any company.',
    description:
      'Of the texts given here, and of those that turns have named: the mean over several neutral contexts, in each ' +
      'engine that can use it. `GET /chunks` lists what has become of it, with `neutral` as its foundation.',
    role: 'operator',
    params,
    query: null,
    body: named(
      'ChunkBuild',
      z.strictObject({
        source: sourceText,
        sourceVersion: versionText.optional(),
        texts: z
          .array(z.strictObject({ id: chunkName, text: chunkText }), 'a list of at most 64 texts')
          .max(64, 'at most 64 texts')
          .default([]),
      }),
    ),
    status: 202,
    answer: askedSchema,
    handle: async (context, { identity, params: asked, body }) => {
      const { tenantId: found } = await findTenant(context, identity, asked.tenantId);
      const { services, jobs } = context;
      const { source, sourceVersion = '' } = body;
      // Without texts there is nothing to encode, and engines may be without a tokenizer.
      if (body.texts.length > 0) await services.text.load();
      const done = await askForBuilds(services.chunks, (name, payload) => jobs.chunks.add(name, payload), {
        ...sourceOf(found, body),
        texts: body.texts.map((one) => ({ ...one, source, sourceVersion })),
        encode: (text) => services.text.encodeChunk(text),
      });
      return { body: done, change: changeOf('chunk-build', found, body, done) };
    },
  }),
  changes({
    id: 'prefetchChunks',
    method: 'POST',
    tag,
    path: '/tenants/{tenantId}/chunks/prefetch',
    summary: 'Starts jobs that copy the stored KV of a source to where engines read it without waiting.',
    role: 'operator',
    params,
    query: null,
    body: named('ChunkPrefetch', z.strictObject({ source: sourceText, sourceVersion: versionText.optional() })),
    status: 202,
    answer: askedSchema,
    handle: async (context, { identity, params: asked, body }) => {
      const { tenantId: found } = await findTenant(context, identity, asked.tenantId);
      const { services, jobs } = context;
      const done = await askForPrefetch(
        services.chunks,
        (name, payload) => jobs.chunks.add(name, payload),
        sourceOf(found, body),
      );
      return { body: done, change: changeOf('chunk-prefetch', found, body, done) };
    },
  }),
  reads({
    id: 'getChunkQuota',
    tag,
    path: '/tenants/{tenantId}/chunk-quota',
    summary: "What a tenant's chunks may take, and what they take in each engine.",
    role: 'viewer',
    params,
    query: null,
    answer: quotaSchema,
    hasVersion: true,
    handle: (context, { identity, params: asked }) => quotaOf(context, identity, asked.tenantId),
  }),
  changes({
    id: 'changeChunkQuota',
    method: 'PUT',
    tag,
    path: '/tenants/{tenantId}/chunk-quota',
    summary: "Changes what a tenant's chunks may take; what is above it leaves at once, least worthy first.",
    role: 'admin',
    isServiceOnly: true,
    params,
    query: null,
    body: named('ChunkQuotaChange', z.strictObject({ quotaBytes: quotaField })),
    needsVersion: true,
    hasVersion: true,
    answer: quotaSchema,
    handle: async (context, { identity, params: asked, body, ifMatch }) => {
      const { version } = await quotaOf(context, identity, asked.tenantId);
      requireVersion(ifMatch, version);
      const { chunks } = context.services;
      if ((await chunks.tenants.change(asked.tenantId, Number(version), body)) === undefined) throw versionConflict();
      for (const shelf of chunks.shelves) {
        shelf.enforceQuota(asked.tenantId);
        await shelf.settled();
      }
      const change = { target: `chunk-quota/${asked.tenantId}`, ofTenant: asked.tenantId, details: { ...body } };
      return { ...(await quotaOf(context, identity, asked.tenantId)), change };
    },
  }),
];

const quotaOf = async (
  context: RestContext,
  identity: Identity,
  asked: string,
): Promise<{ readonly body: z.output<typeof quotaSchema>; readonly version: string }> => {
  const { tenantId: found } = await findTenant(context, identity, asked);
  const { chunks } = context.services;
  const { quotaBytes, version } = await chunks.tenants.get(found);
  const usedBytes = Object.fromEntries(chunks.shelves.map((shelf) => [shelf.engineId, shelf.usedBytesOf(found)]));
  return { body: { tenantId: found, quotaBytes, usedBytes }, version: String(version) };
};
