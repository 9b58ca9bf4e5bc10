import { SAMPLING_FEATURES } from '@holdfast/engines';
import type { EngineView } from '@holdfast/scheduling';
import { z } from 'zod';
import type { EngineStanding } from '../../engines/engine-registry.js';
import { engineNotFound } from '../../engines/registered-engines.js';
import { changes, reads, type Change, type Operation } from '../operation.js';
import type { RestContext } from '../rest-context.js';
import { count, otherId, timeTextOrNull, time } from '../schemas/fields.js';
import { named } from '../schemas/named.js';
import { requireVersion } from '../read-request.js';
import { requirePool } from '../require-pool.js';
import { sharedOwner } from '../whose.js';

const tag = 'pools and engines';
const poolId = otherId.meta({ description: 'Name of the pool: the engines that serve one model.' });
const poolParams = z.strictObject({ poolId });
const engineParams = z.strictObject({ poolId, engineId: otherId });

const poolSchema = named(
  'Pool',
  z.strictObject({
    poolId: z.string(),
    model: z.string().nullable().meta({ description: 'Null until an engine was there.' }),
    maxContextTokens: count.nullable(),
    policy: z.string(),
    isAccepting: z.boolean(),
    programs: count.meta({ description: 'Live ones.' }),
    turns: count.meta({ description: 'That have not ended.' }),
    queuedTurns: count,
    deferredTurns: count.meta({ description: 'Kept aside by the admission policy.' }),
    enginesAttached: count,
  }),
);

const loadSchema = named(
  'EngineLoad',
  z.strictObject({
    freeBlocks: count,
    evictableBlocks: count,
    pinnedBlocks: count,
    activeBlocks: count,
    runningRequests: count,
    waitingRequests: count,
  }),
);

const engineSchema = named(
  'Engine',
  z.strictObject({
    engineId: z.string(),
    isAttached: z.boolean(),
    isDraining: z.boolean(),
    kind: z.string().nullable().meta({ description: 'sim, vllm or vllm-stock; null while it is away.' }),
    version: z.string().nullable(),
    epoch: z.string().nullable(),
    capabilities: z
      .strictObject({ pins: z.boolean(), softPins: z.boolean(), ordersByRank: z.boolean(), reranks: z.boolean() })
      .nullable(),
    samplingFeatures: z
      .array(z.enum(SAMPLING_FEATURES))
      .nullable()
      .meta({ description: 'Sampling that it understands beside lengths, temperature and seed; it refuses the rest.' }),
    totalBlocks: count.nullable(),
    blockTokens: count.nullable(),
    maxRunningRequests: count.nullable(),
    inFlightTurns: count,
    queuedTurns: count,
    load: loadSchema.nullable(),
    observedAt: time.nullable(),
  }),
);

const registrationSchema = named(
  'EngineRegistration',
  z.strictObject({
    address: z
      .string()
      .regex(/^[A-Za-z0-9.-]{1,200}:[1-9][0-9]{0,3}$/, 'host:port')
      .meta({ description: 'Where it serves VllmEngine; also its id.' }),
    kvControlAddress: z
      .string()
      .regex(/^[A-Za-z0-9.-]{1,200}:[1-9][0-9]{0,3}$/, 'host:port')
      .nullable()
      .meta({ description: 'Where it serves KvControl when that is another address.' }),
  }),
);

const drainSchema = named('EngineDrain', z.strictObject({ isDraining: z.boolean() }));

const poolJson = ({ services, policies }: RestContext): z.output<typeof poolSchema> => {
  const { pool } = services;
  const view = pool.view();
  return {
    poolId: services.poolId,
    model: pool.engines.model?.model ?? null,
    maxContextTokens: pool.engines.model?.maxContextTokens ?? null,
    policy: policies.active.document.policy,
    isAccepting: !services.isDraining,
    programs: view.programs,
    turns: view.turns,
    queuedTurns: view.queuedTurns,
    deferredTurns: view.deferredTurns,
    enginesAttached: pool.engines.attached.length,
  };
};

const engineJson = (standing: EngineStanding, view: EngineView | undefined): z.output<typeof engineSchema> => ({
  engineId: standing.engineId,
  isAttached: standing.info !== null,
  isDraining: standing.isDraining,
  ...descriptionJson(standing.info),
  inFlightTurns: view?.inFlightTurns ?? 0,
  queuedTurns: view?.queuedTurns ?? 0,
  load: view?.load == null ? null : { ...view.load },
  observedAt: timeTextOrNull(view?.observedAt),
});

/** What the engine said of itself when it was attached. */
const descriptionJson = (
  info: EngineStanding['info'],
): Pick<
  z.output<typeof engineSchema>,
  | 'kind'
  | 'version'
  | 'epoch'
  | 'capabilities'
  | 'samplingFeatures'
  | 'totalBlocks'
  | 'blockTokens'
  | 'maxRunningRequests'
> => {
  if (info === null) return nothingSaid;
  const { epoch, capabilities, totalBlocks, blockTokens, maxRunningRequests } = info.description;
  const { kind, version } = info;
  const samplingFeatures = [...info.samplingFeatures];
  return {
    kind,
    version,
    epoch,
    capabilities: { ...capabilities },
    samplingFeatures,
    totalBlocks,
    blockTokens,
    maxRunningRequests,
  };
};

const nothingSaid = {
  kind: null,
  version: null,
  epoch: null,
  capabilities: null,
  samplingFeatures: null,
  totalBlocks: null,
  blockTokens: null,
  maxRunningRequests: null,
};

const enginesOf = ({ services }: RestContext): readonly z.output<typeof engineSchema>[] => {
  const views = services.pool.view().engines;
  return services.pool.engines.standings.map((standing) =>
    engineJson(
      standing,
      views.find(({ description }) => description.engineId === standing.engineId),
    ),
  );
};

const findEngine = (context: RestContext, engineId: string): z.output<typeof engineSchema> => {
  const engine = enginesOf(context).find((candidate) => candidate.engineId === engineId);
  if (engine === undefined) throw engineNotFound(engineId);
  return engine;
};

const change = (engineId: string, details: Change['details'] = {}): Change => ({
  target: `engine/${engineId}`,
  ofTenant: sharedOwner,
  details,
});

/** Pools and their engines, added and taken away without a restart. */
export const poolOperations: readonly Operation[] = [
  reads({
    id: 'listPools',
    tag,
    path: '/pools',
    summary: 'The pools of this service.',
    role: 'viewer',
    isServiceOnly: true,
    params: null,
    query: null,
    answer: named('PoolList', z.strictObject({ items: z.array(poolSchema) })),
    handle: async (context) => ({ body: { items: [poolJson(context)] } }),
  }),
  reads({
    id: 'getPool',
    tag,
    path: '/pools/{poolId}',
    summary: 'A pool as it is now.',
    role: 'viewer',
    isServiceOnly: true,
    params: poolParams,
    query: null,
    answer: poolSchema,
    handle: async (context, { params }) => {
      requirePool(context, params.poolId);
      return { body: poolJson(context) };
    },
  }),
  reads({
    id: 'listEngines',
    tag,
    path: '/pools/{poolId}/engines',
    summary: 'The engines of a pool, attached or away, with what they can do.',
    role: 'viewer',
    isServiceOnly: true,
    params: poolParams,
    query: null,
    answer: named('EngineList', z.strictObject({ items: z.array(engineSchema) })),
    handle: async (context, { params }) => {
      requirePool(context, params.poolId);
      return { body: { items: [...enginesOf(context)] } };
    },
  }),
  changes({
    id: 'registerEngine',
    method: 'POST',
    tag,
    path: '/pools/{poolId}/engines',
    summary: 'Adds an engine to the pool, for good.',
    description: 'Answers once the engine was tried: `isAttached` says whether it is there.',
    role: 'operator',
    isServiceOnly: true,
    params: poolParams,
    query: null,
    body: registrationSchema,
    status: 201,
    answer: engineSchema,
    handle: async (context, { params, body }) => {
      requirePool(context, params.poolId);
      const { address, kvControlAddress } = body;
      const engineId = await context.engines.register(
        kvControlAddress === null ? { address } : { address, kvControlAddress },
      );
      return { body: findEngine(context, engineId), change: change(engineId, { kvControlAddress }) };
    },
  }),
  reads({
    id: 'getEngine',
    tag,
    path: '/pools/{poolId}/engines/{engineId}',
    summary: 'An engine as it is now.',
    role: 'viewer',
    isServiceOnly: true,
    params: engineParams,
    query: null,
    answer: engineSchema,
    hasVersion: true,
    handle: async (context, { params }) => {
      requirePool(context, params.poolId);
      const engine = findEngine(context, params.engineId);
      return { body: engine, version: drainVersion(engine) };
    },
  }),
  changes({
    id: 'drainEngine',
    method: 'PUT',
    tag,
    path: '/pools/{poolId}/engines/{engineId}/drain',
    summary: 'Empties an engine, or lets it take turns again: what runs there ends, nothing new starts.',
    role: 'operator',
    isServiceOnly: true,
    params: engineParams,
    query: null,
    body: drainSchema,
    needsVersion: true,
    hasVersion: true,
    answer: engineSchema,
    handle: async (context, { params, body, ifMatch }) => {
      requirePool(context, params.poolId);
      requireVersion(ifMatch, drainVersion(findEngine(context, params.engineId)));
      context.services.pool.engines.drain(params.engineId, body.isDraining);
      const engine = findEngine(context, params.engineId);
      return { body: engine, version: drainVersion(engine), change: change(params.engineId, { ...body }) };
    },
  }),
  changes({
    id: 'removeEngine',
    method: 'DELETE',
    tag,
    path: '/pools/{poolId}/engines/{engineId}',
    summary: 'Takes an engine out of the pool; drain it first, or its running turns fail.',
    description: 'An engine of HOLDFAST_ENGINES is back after a restart.',
    role: 'operator',
    isServiceOnly: true,
    params: engineParams,
    query: null,
    body: null,
    answer: null,
    handle: async (context, { params }) => {
      requirePool(context, params.poolId);
      await context.engines.remove(params.engineId);
      return { body: null, change: change(params.engineId) };
    },
  }),
];

/** What an operator edits of an engine. */
const drainVersion = ({ isDraining }: { readonly isDraining: boolean }): string => (isDraining ? 'draining' : 'open');
