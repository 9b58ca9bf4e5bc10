import type { PolicyActivationRow, PolicyDocumentRow, PolicyDryRunRow } from '@holdfast/persistence';
import { seconds } from '@holdfast/scheduling';
import { z } from 'zod';
import type { ActivePolicy } from '../../policies/policy-service.js';
import { changes, reads, type Change, type Operation } from '../operation.js';
import { requireVersion } from '../read-request.js';
import { requirePool } from '../require-pool.js';
import type { RestContext } from '../rest-context.js';
import { otherId, pageOf, pageQuery, pageSchema, time, timeText, timeTextOrNull, title } from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import { sharedOwner } from '../whose.js';

const tag = 'policies';
const common = { tag, isServiceOnly: true, query: null } as const;
const poolId = otherId;
const params = z.strictObject({ poolId });

const policyText = z
  .string()
  .regex(/^[!-~]{1,500}$/, '1 to 500 printable characters without spaces')
  .meta({ description: 'Name, with parameters after a colon.', examples: ['holdfast', 'static-ttl:ttl=60s'] });

const documentSchema = named(
  'PolicyDocument',
  z.strictObject({
    version: z.int().min(1),
    policy: z.string(),
    note: z.string(),
    createdAt: time,
    createdBy: z.string().nullable().meta({ description: 'Key that made it; null for the configuration.' }),
  }),
);

const activationSchema = named(
  'PolicyActivation',
  z.strictObject({
    sequence: z.int().min(1),
    version: z.int().min(1),
    activatedAt: time,
    activatedBy: z.string().nullable(),
    undoes: z.int().nullable().meta({ description: 'Sequence of the activation that this one undid.' }),
  }),
);

const activeSchema = named('ActivePolicy', z.strictObject({ document: documentSchema, activation: activationSchema }));

const dryRunSchema = named(
  'PolicyDryRun',
  z.strictObject({
    jobId: z.string(),
    candidate: z.string(),
    active: z.string().meta({ description: 'What it is compared with.' }),
    from: time,
    to: time,
    requestedAt: time,
    requestedBy: z.string().nullable(),
    finishedAt: time.nullable(),
    result: z.unknown().meta({ description: 'Both results side by side; null until the job is done.' }),
  }),
);

const documentJson = (row: PolicyDocumentRow): z.output<typeof documentSchema> => ({
  version: row.version,
  policy: row.policy,
  note: row.note,
  createdAt: timeText(row.createdAt),
  createdBy: row.createdBy,
});

const activationJson = (row: PolicyActivationRow): z.output<typeof activationSchema> => ({
  sequence: row.sequence,
  version: row.version,
  activatedAt: timeText(row.activatedAt),
  activatedBy: row.activatedBy,
  undoes: row.undoes,
});

const dryRunJson = (row: PolicyDryRunRow): z.output<typeof dryRunSchema> => ({
  jobId: row.jobId,
  candidate: row.candidate,
  active: row.active,
  from: timeText(row.fromAt),
  to: timeText(row.toAt),
  requestedAt: timeText(row.requestedAt),
  requestedBy: row.requestedBy,
  finishedAt: timeTextOrNull(row.finishedAt),
  result: row.result,
});

const activeAnswer = ({
  document,
  activation,
}: ActivePolicy): { readonly body: z.output<typeof activeSchema>; readonly version: string } => ({
  body: { document: documentJson(document), activation: activationJson(activation) },
  version: String(activation.sequence),
});

const changeOf = ({ services }: RestContext, details: Change['details'] = {}): Change => ({
  target: `policy/${services.poolId}`,
  ofTenant: sharedOwner,
  details,
});

/** Policies of a pool: documents, tried on the past, activated, undone. */
export const policyOperations: readonly Operation[] = [
  reads({
    ...common,
    id: 'listPolicies',
    path: '/pools/{poolId}/policies',
    summary: 'Policy documents, newest first. A document never changes.',
    role: 'viewer',
    params,
    query: z.strictObject(pageQuery),
    answer: named('PolicyDocumentPage', pageSchema(documentSchema)),
    handle: async (context, { params: asked, query }) => {
      requirePool(context, asked.poolId);
      const { items, nextPageToken } = await context.policies.documents(pageOf(query));
      return { body: { items: items.map(documentJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  changes({
    ...common,
    id: 'createPolicy',
    method: 'POST',
    path: '/pools/{poolId}/policies',
    summary: 'Adds a policy document; it is not active.',
    role: 'operator',
    params,
    body: named('NewPolicyDocument', z.strictObject({ policy: policyText, note: title })),
    status: 201,
    answer: documentSchema,
    handle: async (context, { identity, params: asked, body }) => {
      requirePool(context, asked.poolId);
      const document = await context.policies.create(body.policy, { note: body.note, by: identity.keyId });
      return { body: documentJson(document), change: changeOf(context, { ...body, version: document.version }) };
    },
  }),
  reads({
    ...common,
    id: 'getPolicy',
    path: '/pools/{poolId}/policies/{version}',
    summary: 'A policy document.',
    role: 'viewer',
    params: z.strictObject({ poolId, version: z.string().regex(/^[1-9][0-9]{0,8}$/, '1 to 999999999') }),
    answer: documentSchema,
    handle: async (context, { params: asked }) => {
      requirePool(context, asked.poolId);
      return { body: documentJson(await context.policies.document(Number(asked.version))) };
    },
  }),
  reads({
    ...common,
    id: 'getActivePolicy',
    path: '/pools/{poolId}/policy',
    summary: 'What the pool is scheduled by.',
    role: 'viewer',
    params,
    answer: activeSchema,
    hasVersion: true,
    handle: async (context, { params: asked }) => {
      requirePool(context, asked.poolId);
      return activeAnswer(context.policies.active);
    },
  }),
  changes({
    ...common,
    id: 'activatePolicy',
    method: 'PUT',
    path: '/pools/{poolId}/policy',
    summary: 'Schedules the pool by a document from the next event on; programs and pins stay.',
    role: 'operator',
    params,
    body: named('PolicyChoice', z.strictObject({ version: z.int().min(1).max(999_999_999) })),
    needsVersion: true,
    hasVersion: true,
    answer: activeSchema,
    handle: async (context, { identity, params: asked, body, ifMatch }) => {
      requirePool(context, asked.poolId);
      const { sequence } = context.policies.active.activation;
      requireVersion(ifMatch, String(sequence));
      // One that another operator made in between is noticed by its sequence.
      const expected = ifMatch === null ? {} : { expectedSequence: sequence };
      const active = await context.policies.activate(body.version, { by: identity.keyId, ...expected });
      return { ...activeAnswer(active), change: changeOf(context, { ...body }) };
    },
  }),
  changes({
    ...common,
    id: 'undoPolicy',
    method: 'POST',
    path: '/pools/{poolId}/policy/undo',
    summary: 'Goes back to the policy that was active before.',
    role: 'operator',
    params,
    body: null,
    needsVersion: true,
    hasVersion: true,
    answer: activeSchema,
    handle: async (context, { identity, params: asked, ifMatch }) => {
      requirePool(context, asked.poolId);
      const { sequence } = context.policies.active.activation;
      requireVersion(ifMatch, String(sequence));
      const expected = ifMatch === null ? {} : { expectedSequence: sequence };
      const active = await context.policies.undo({ by: identity.keyId, ...expected });
      return { ...activeAnswer(active), change: changeOf(context, { version: active.document.version }) };
    },
  }),
  reads({
    ...common,
    id: 'listPolicyActivations',
    path: '/pools/{poolId}/policy/history',
    summary: 'Which documents the pool was scheduled by, newest first.',
    role: 'viewer',
    params,
    query: z.strictObject(pageQuery),
    answer: named('PolicyActivationPage', pageSchema(activationSchema)),
    handle: async (context, { params: asked, query }) => {
      requirePool(context, asked.poolId);
      const { items, nextPageToken } = await context.policies.activations(pageOf(query));
      return { body: { items: items.map(activationJson), nextPageToken: nextPageToken ?? null } };
    },
  }),
  changes({
    ...common,
    id: 'dryRunPolicy',
    method: 'POST',
    path: '/pools/{poolId}/dry-runs',
    summary: 'Replays the programs of the last while under a candidate and under the active policy.',
    description: 'A job: look at it again until `finishedAt` is set.',
    role: 'operator',
    params,
    body: named(
      'PolicyTrial',
      z.strictObject({
        candidate: policyText,
        windowSeconds: z
          .int('60 to 86400')
          .min(60, '60 to 86400')
          .max(86_400, '60 to 86400')
          .nullable()
          .meta({ description: 'How much of the past; null is an hour.' }),
      }),
    ),
    status: 202,
    answer: dryRunSchema,
    handle: async (context, { identity, params: asked, body }) => {
      requirePool(context, asked.poolId);
      const window = body.windowSeconds === null ? {} : { window: seconds(body.windowSeconds) };
      const row = await context.policies.dryRun({ candidate: body.candidate, by: identity.keyId, ...window });
      return { body: dryRunJson(row), change: changeOf(context, { ...body, jobId: row.jobId }) };
    },
  }),
  reads({
    ...common,
    id: 'getDryRun',
    path: '/pools/{poolId}/dry-runs/{jobId}',
    summary: 'A dry run with its result, once it is there.',
    role: 'viewer',
    params: z.strictObject({ poolId, jobId: otherId }),
    answer: dryRunSchema,
    handle: async (context, { params: asked }) => {
      requirePool(context, asked.poolId);
      return { body: dryRunJson(await context.policies.dryRunOf(asked.jobId)) };
    },
  }),
];
