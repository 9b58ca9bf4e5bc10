import { chunkPlanners, type PlannerName } from '@holdfast/chunk-cache';
import { parsePolicy, seconds, type PolicyProfile, type PrefillCost } from '@holdfast/scheduling';
import {
  choiceSetting,
  ConfigError,
  durationSetting,
  type Environment,
  hostPortSetting,
  type HostPort,
  integerSetting,
  listSetting,
  loadConfig,
  logLevels,
  numberSetting,
  sizeSetting,
  textValueSetting,
} from '@holdfast/platform';
import { z } from 'zod';

const isLoopback = ({ host }: HostPort): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);

const loopbackAllowed = 'a loopback address as host:port, e.g. 127.0.0.1:7070; any other only with HOLDFAST_AUTH=keys';
const loopbackAddress = (description: string, fallback: string): z.ZodType<HostPort, string | undefined> =>
  hostPortSetting()
    .refine(isLoopback, loopbackAllowed)
    .meta({ description, allowed: loopbackAllowed })
    .prefault(fallback);

const grpcAddress = { description: 'Where ProgramService is served. Port 0 takes a free one.', text: '127.0.0.1:7070' };
const httpAddress = {
  description: 'Where REST, its documents and health are served. Port 0 takes a free one.',
  text: '127.0.0.1:7071',
};

/** One engine: where it serves, and where its KvControl does when that is another port. */
export interface EngineAddress {
  readonly address: string;
  readonly kvControlAddress?: string;
}

const engineAllowed = 'host:port, or host:port/host:port when KvControl has an address of its own';
const engineAddress = z
  .string()
  .transform((text, context): EngineAddress => {
    const parts = text.split('/');
    const areAddresses = parts.every((part) => (hostPortSetting().safeParse(part).data?.port ?? 0) > 0);
    const [address, kvControlAddress] = parts;
    if (address === undefined || parts.length > 2 || !areAddresses) {
      context.addIssue({ code: 'custom', message: engineAllowed });
      return z.NEVER;
    }
    return { address, ...(kvControlAddress === undefined ? {} : { kvControlAddress }) };
  })
  .meta({ allowed: engineAllowed });

const plainAddress = z
  .string()
  .refine((text) => (hostPortSetting().safeParse(text).data?.port ?? 0) > 0, 'host:port')
  .meta({ allowed: 'host:port' });

const policy = z
  .string()
  .transform((text, context): { readonly name: string; readonly profile: PolicyProfile } => {
    try {
      return { name: text, profile: parsePolicy(text) };
    } catch (error) {
      // The registry's own message names the policies, or the parameter and its bounds.
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  })
  .meta({ description: 'Policy that orders turns and keeps KV: its name, with parameters after a colon.' });

const costAllowed = 'three numbers of at least 0, in seconds: base, per token, per token squared';
const prefillCost = z
  .string()
  .transform((text, context): PrefillCost => {
    const parts = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
    const [baseSeconds, perTokenSeconds, perTokenSquaredSeconds] = parts;
    if (
      parts.length !== 3 ||
      parts.some((part) => !Number.isFinite(part) || part < 0) ||
      baseSeconds === undefined ||
      perTokenSeconds === undefined ||
      perTokenSquaredSeconds === undefined
    ) {
      context.addIssue({ code: 'custom', message: costAllowed });
      return z.NEVER;
    }
    return { baseSeconds, perTokenSeconds, perTokenSquaredSeconds };
  })
  .meta({
    description: 'Prefill time of x uncached tokens on an idle engine: base + a*x + b*x^2.',
    allowed: costAllowed,
  });

const DAY = seconds(86_400);
const keepAllowed = 'a day or more, e.g. 30d';
const rolesAllowed = 'api,scheduler,jobs, or api,scheduler, or jobs: whoever serves callers schedules the pool, too';

const shape = {
  HOLDFAST_GRPC_ADDRESS: loopbackAddress(grpcAddress.description, grpcAddress.text),
  HOLDFAST_HTTP_ADDRESS: loopbackAddress(httpAddress.description, httpAddress.text),
  HOLDFAST_AUTH: choiceSetting(['off', 'keys'])
    .meta({ description: 'Whether callers need an API key. Off: whoever reaches the ports may do everything.' })
    .prefault('off'),
  HOLDFAST_ADMIN_KEY_FILE: textValueSetting('a path')
    .meta({ description: 'File of the first admin key; it is made there when no key exists. With HOLDFAST_AUTH=keys.' })
    .prefault('.holdfast/admin.key'),
  HOLDFAST_TLS_CERT: textValueSetting('a path')
    .meta({ description: 'Certificate chain (PEM) of both ports; with HOLDFAST_TLS_KEY.' })
    .optional(),
  HOLDFAST_TLS_KEY: textValueSetting('a path').meta({ description: 'Key of HOLDFAST_TLS_CERT (PEM).' }).optional(),
  HOLDFAST_TLS_CLIENT_CA: textValueSetting('a path')
    .meta({ description: 'Authorities (PEM) that must have signed the certificates of gRPC callers: mutual TLS.' })
    .optional(),
  HOLDFAST_POOL: textValueSetting()
    .meta({ description: 'Name of the pool: the engines that serve one model.' })
    .prefault('default'),
  HOLDFAST_ENGINES: listSetting(engineAddress as z.ZodType<EngineAddress, string>)
    .refine((engines) => new Set(engines.map(({ address }) => address)).size === engines.length, 'each address once')
    .meta({ description: 'Addresses of the engines, separated by commas.' })
    .prefault(''),
  HOLDFAST_CHUNK_ENGINES: listSetting(plainAddress)
    .meta({ description: 'Addresses of engines that reuse chunks (holdfast.chunk.v1), beside HOLDFAST_ENGINES.' })
    .prefault(''),
  HOLDFAST_CHUNK_PLANNER: choiceSetting(chunkPlanners().map(({ name }) => name) as [PlannerName, ...PlannerName[]])
    .meta({ description: 'What of a prompt with chunks is reused and recomputed.' })
    .prefault('holdfast'),
  HOLDFAST_CHUNK_LOSS_BOUND: numberSetting({ min: 0.0001, max: 10 })
    .meta({ description: 'Mean divergence from a full recompute that reuse may cause, nats a token.' })
    .prefault('0.04'),
  HOLDFAST_CHUNK_QUOTA: sizeSetting()
    .meta({ description: "Stored KV of one tenant's chunks in each engine, unless its own quota says otherwise." })
    .prefault('64GiB'),
  HOLDFAST_POLICY: policy.prefault('holdfast'),
  HOLDFAST_DISPATCH_WINDOW: integerSetting({ min: 1, max: 1_024 })
    .meta({ description: 'Turns without a first token that an engine may have at once.' })
    // As in the lab: what is published of policies holds for the service as it comes.
    .prefault('4'),
  HOLDFAST_MAX_QUEUED_TURNS: integerSetting({ min: 1, max: 1_000_000 })
    .meta({ description: 'Turns that may wait; the next one is refused with QUEUE_FULL.' })
    .prefault('10000'),
  HOLDFAST_TIME_SCALE: numberSetting({ min: 0.001, max: 100_000 })
    .meta({ description: 'Seconds of the service per real second; that of the simulated engines.' })
    .prefault('1'),
  HOLDFAST_PREFILL_COST: prefillCost.prefault('0,0.0002,0'),
  HOLDFAST_PROGRAM_IDLE_LIMIT: durationSetting()
    .meta({ description: 'Silence after which a program that named no limit is ended.' })
    .prefault('1h'),
  HOLDFAST_OPENAI_IDLE_LIMIT: durationSetting()
    .meta({ description: 'Silence after which a program that a client of the OpenAI API began is ended.' })
    .prefault('15m'),
  HOLDFAST_ENGINE_ABSENCE_LIMIT: durationSetting()
    .meta({ description: 'How long turns wait when no engine is there.' })
    .prefault('30s'),
  HOLDFAST_ENGINE_FIRST_MESSAGE_LIMIT: durationSetting()
    .meta({ description: 'How long an engine may take to its first message of a turn, queueing and prefill included.' })
    .prefault('5m'),
  HOLDFAST_ENGINE_SILENCE_LIMIT: durationSetting()
    .meta({ description: 'How long an engine may be silent within an answer.' })
    .prefault('60s'),
  HOLDFAST_CALLER_STALL_LIMIT: durationSetting()
    .meta({ description: 'A caller that takes nothing of a turn for so long loses its stream.' })
    .prefault('60s'),
  HOLDFAST_DRAIN_LIMIT: durationSetting()
    .meta({ description: 'How long running turns may go on when the service stops.' })
    .prefault('10s'),
  HOLDFAST_MAX_MESSAGE: sizeSetting().meta({ description: 'Largest gRPC message accepted.' }).prefault('16MiB'),
  HOLDFAST_REST_RATE: integerSetting({ min: 1, max: 1_000_000 })
    .meta({ description: 'REST requests a second that one API key may send; twice as many at once.' })
    .prefault('200'),
  HOLDFAST_CONTEXT_MEMORY: sizeSetting()
    .meta({
      description: 'Memory for the token ids of contexts; those of idle programs beyond it are reloaded on demand.',
    })
    .prefault('512MiB'),
  HOLDFAST_DATA_DIR: textValueSetting('a path')
    .meta({ description: 'Data of the embedded PostgreSQL; not used with DATABASE_URL.' })
    .prefault('.holdfast/postgres'),
  DATABASE_URL: textValueSetting('postgresql://user:password@host:port/database')
    .meta({ description: 'PostgreSQL to use instead of the embedded one.', secret: true })
    .optional(),
  REDIS_URL: textValueSetting('redis://host:port')
    .meta({ description: 'Redis for the job queue instead of PostgreSQL.', secret: true })
    .optional(),
  HOLDFAST_ROLES: listSetting(choiceSetting(['api', 'scheduler', 'jobs']))
    .refine((roles) => roles.length > 0 && roles.includes('api') === roles.includes('scheduler'), rolesAllowed)
    .meta({ description: 'What this process does: serve callers, schedule its pool, run jobs.', allowed: rolesAllowed })
    .prefault('api,scheduler,jobs'),
  HOLDFAST_JOB_CONCURRENCY: integerSetting({ min: 1, max: 64 })
    .meta({ description: 'Jobs that one process runs at once.' })
    .prefault('4'),
  HOLDFAST_KEEP_PROGRAMS: durationSetting()
    .refine((age) => age >= DAY, keepAllowed)
    .meta({ description: 'How long ended programs and all that belongs to them are kept.', allowed: keepAllowed })
    .prefault('30d'),
  HOLDFAST_KEEP_EVENTS: durationSetting()
    .refine((age) => age >= DAY, keepAllowed)
    .meta({ description: "How long the pool's event log is kept.", allowed: keepAllowed })
    .prefault('7d'),
  HOLDFAST_DRY_RUN_ENGINE: textValueSetting('a profile of the lab, e.g. h100-llama-3.1-8b')
    .meta({ description: 'Engine whose step times dry runs of policies take.' })
    .prefault('h100-llama-3.1-8b'),
  HOLDFAST_LOG_LEVEL: choiceSetting(logLevels)
    .meta({ description: 'Least severe log lines that are written.' })
    .prefault('info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .meta({ description: 'Where traces go, by OTLP over HTTP.', allowed: 'an http or https URL' })
    .optional(),
  HOLDFAST_TRACE_RATIO: numberSetting({ min: 0, max: 1 })
    .meta({ description: 'Share of the traces begun here that are recorded; a caller who traces decides for its own.' })
    .prefault('1'),
};

/** Schema of the environment of the control plane. */
export const configSchema = z.object(shape);

/** The effective configuration. Frozen; slices of it are handed to who needs them. */
export type Config = Readonly<z.output<typeof configSchema>>;

const anyAddress = ({ description, text }: typeof grpcAddress): z.ZodType<HostPort, string | undefined> =>
  hostPortSetting().meta({ description }).prefault(text);

/** Whoever needs a key may come from anywhere. */
const guardedSchema = configSchema.extend({
  HOLDFAST_GRPC_ADDRESS: anyAddress(grpcAddress),
  HOLDFAST_HTTP_ADDRESS: anyAddress(httpAddress),
});

/**
 * Pure. Reads the configuration.
 *
 * @throws ConfigError with all problems at once.
 */
export const readConfig = (env: Environment): Config => {
  const schema = env['HOLDFAST_AUTH'] === 'keys' ? guardedSchema : configSchema;
  const config = loadConfig(schema, env, { ownPrefix: 'HOLDFAST_' });
  if (!config.HOLDFAST_ROLES.includes('api') && config.DATABASE_URL === undefined) {
    // An embedded database belongs to the process that serves callers.
    const allowed = 'set, since HOLDFAST_ROLES is jobs';
    throw new ConfigError([{ field: 'DATABASE_URL', value: '(not set)', allowed }]);
  }
  const { HOLDFAST_TLS_CERT: cert, HOLDFAST_TLS_KEY: key, HOLDFAST_TLS_CLIENT_CA: clientCa } = config;
  if ((cert === undefined) !== (key === undefined)) {
    const field = cert === undefined ? 'HOLDFAST_TLS_CERT' : 'HOLDFAST_TLS_KEY';
    throw new ConfigError([{ field, value: '(not set)', allowed: 'both HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY' }]);
  }
  if (clientCa !== undefined && cert === undefined) {
    const allowed = 'set, since HOLDFAST_TLS_CLIENT_CA is';
    throw new ConfigError([{ field: 'HOLDFAST_TLS_CERT', value: '(not set)', allowed }]);
  }
  return config;
};

/** Pure. The effective configuration for people and programs: without secrets, policies by name. */
export const describeConfig = (config: Config): Record<string, unknown> => ({
  ...config,
  HOLDFAST_POLICY: config.HOLDFAST_POLICY.name,
  DATABASE_URL: config.DATABASE_URL === undefined ? '(embedded)' : '(hidden)',
  ...(config.REDIS_URL === undefined ? {} : { REDIS_URL: '(hidden)' }),
});
