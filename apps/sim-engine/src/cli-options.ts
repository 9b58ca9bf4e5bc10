import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { engineProfile, engineProfileNames, type EngineProfile } from '@holdfast/simulation';
import { z } from 'zod';
import type { EngineSettings } from './engine-settings.js';

/** A validated command line. */
export interface CliOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Model seconds per real second. */
  readonly timeScale: number;
  readonly logLevel: string;
  /** Base address of an OTLP/HTTP receiver; without one no span is recorded. */
  readonly otlpEndpoint?: string;
  readonly engine: EngineSettings;
}

/** What commander read: the options of `command-line.ts`, unparsed. */
export type RawOptions = Readonly<Record<string, string | boolean | undefined>>;

/** Every problem of a command line, one line each. */
export class CliOptionsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'CliOptionsError';
  }
}

interface NumberRange {
  readonly min: number;
  readonly max: number;
  /** True: fractions are allowed. */
  readonly isReal?: boolean;
}

const numeric = ({ min, max, isReal = false }: NumberRange): z.ZodType<number, string> =>
  z.string().transform((text, context) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= min && value <= max && (isReal || Number.isInteger(value))) return value;
    const kind = isReal ? 'a number' : 'a whole number';
    context.addIssue({ code: 'custom', message: `is "${text}"; allowed: ${kind} from ${min} to ${max}` });
    return z.NEVER;
  });

const label = z.string().regex(/^\S{1,128}$/, {
  error: ({ input }) => `is "${String(input)}"; allowed: 1 to 128 characters without spaces`,
});

const oneOf = (names: readonly string[]): z.ZodType<string> =>
  z.enum(names as [string, ...string[]], {
    error: ({ input }) => `is "${String(input)}"; allowed: ${names.join(', ')}`,
  });

const MAX_BLOCKS = 16_777_216;
const MAX_HOST_BLOCKS = 0x7fff_ffff;

const schema = z.object({
  host: z.string().min(1, 'is empty; allowed: an IP address or host name'),
  port: numeric({ min: 0, max: 65_535 }),
  profile: oneOf(engineProfileNames),
  timeScale: numeric({ min: 0.001, max: 10_000, isReal: true }),
  seed: numeric({ min: 0, max: 0xffff_ffff }),
  toolCalls: numeric({ min: 0, max: 1_000 }),
  model: label.optional(),
  kvScale: numeric({ min: 0.0001, max: 1_000, isReal: true }),
  hostKvScale: numeric({ min: 0, max: 1_000, isReal: true }),
  blocks: numeric({ min: 1, max: MAX_BLOCKS }).optional(),
  blockSize: numeric({ min: 1, max: 1_024 }).optional(),
  maxRunning: numeric({ min: 1, max: 65_536 }).optional(),
  tokenBudget: numeric({ min: 1, max: 1_048_576 }).optional(),
  maxContext: numeric({ min: 2, max: 16_777_216 }).optional(),
  vocabSize: numeric({ min: 259, max: 16_777_216 }),
  maxPinnedFraction: numeric({ min: 0, max: 1, isReal: true }),
  chunkMemory: numeric({ min: 0, max: 16_777_216 }),
  chunkDisk: numeric({ min: 0, max: 16_777_216 }),
  chunkPrefixOnly: z.boolean(),
  chunkDamage: numeric({ min: 0, max: 100, isReal: true }),
  chunkDrift: numeric({ min: 0, max: 100, isReal: true }),
  epoch: label.optional(),
  statsInterval: numeric({ min: 10, max: 600_000 }),
  otlpEndpoint: z
    .url({ protocol: /^https?$/, error: ({ input }) => `is "${String(input)}"; allowed: an http or https URL` })
    .optional(),
  logLevel: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
});

type Parsed = z.output<typeof schema>;

/** Context length where none is given: that of Llama 3.1, or what the pool holds. */
const DEFAULT_MAX_CONTEXT = 131_072;

/**
 * Reads a command line. A random epoch is drawn where none is given.
 *
 * @throws CliOptionsError with every problem: the option, its value and what is allowed.
 */
export const readCliOptions = (raw: RawOptions): CliOptions => {
  const parsed = schema.safeParse(raw);
  const problems = parsed.success ? [] : parsed.error.issues.map(describeIssue);
  problems.push(...hostProblems(raw), ...contextProblems(raw));
  if (!parsed.success || problems.length > 0) throw new CliOptionsError(problems);
  const { host, port, timeScale, logLevel, otlpEndpoint } = parsed.data;
  return {
    host,
    port,
    timeScale,
    logLevel,
    ...(otlpEndpoint === undefined ? {} : { otlpEndpoint }),
    engine: toSettings(parsed.data),
  };
};

const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const describeIssue = ({ path, message }: z.core.$ZodIssue): string => `${flagOf(String(path[0]))} ${message}`;

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

const hostProblems = ({ host, allowRemote }: RawOptions): string[] =>
  typeof host !== 'string' || host === '' || isLoopback(host) || allowRemote === true
    ? []
    : [
        `--host is "${host}", which others can reach without authentication; allowed: a loopback address, or --allow-remote`,
      ];

/** The pool's own options decide how long a context may be; judged whenever they are well-formed themselves. */
const poolSchema = schema.pick({ profile: true, kvScale: true, blocks: true, blockSize: true, maxContext: true });

const contextProblems = (raw: RawOptions): string[] => {
  const pool = poolSchema.safeParse(raw);
  if (!pool.success) return [];
  const { maxContext } = pool.data;
  const { totalBlocks, blockTokens } = poolOf(pool.data);
  const tokens = totalBlocks * blockTokens;
  if (tokens < 2) return [`--blocks gives a pool of ${tokens} tokens; allowed: 2 or more`];
  if (maxContext === undefined || maxContext <= tokens) return [];
  return [`--max-context is ${maxContext}; allowed: 2 to ${tokens}, what ${totalBlocks} blocks of ${blockTokens} hold`];
};

type PoolOptions = Pick<Parsed, 'profile' | 'kvScale' | 'blocks' | 'blockSize'>;

const poolOf = (options: PoolOptions): { readonly totalBlocks: number; readonly blockTokens: number } => {
  const profile = engineProfile(options.profile);
  const blockTokens = options.blockSize ?? profile.blockTokens;
  // The profile's memory is fixed in tokens: larger blocks are fewer.
  const profileBlocks = (profile.totalBlocks * profile.blockTokens * options.kvScale) / blockTokens;
  return { totalBlocks: options.blocks ?? Math.max(1, Math.floor(profileBlocks)), blockTokens };
};

const toSettings = (options: Parsed): EngineSettings => {
  const profile = engineProfile(options.profile);
  const { totalBlocks, blockTokens } = poolOf(options);
  return {
    model: options.model ?? defaultModel(profile),
    profile: profile.name,
    totalBlocks,
    blockTokens,
    maxRunningRequests: options.maxRunning ?? profile.maxRunningRequests,
    tokenBudget: options.tokenBudget ?? profile.tokenBudget,
    maxContextTokens: options.maxContext ?? Math.min(DEFAULT_MAX_CONTEXT, totalBlocks * blockTokens),
    vocabularySize: options.vocabSize,
    maxPinnedFraction: options.maxPinnedFraction,
    stepTime: profile.stepTime,
    host: {
      blocks: Math.min(MAX_HOST_BLOCKS, Math.round(totalBlocks * options.hostKvScale)),
      reloadMicrosPerToken: profile.reloadMicrosPerToken,
    },
    epoch: options.epoch ?? randomUUID(),
    seed: options.seed,
    toolCallsPerTask: options.toolCalls,
    statsIntervalMs: options.statsInterval,
    ...chunksOf(options, profile),
  };
};

/** Host memory to the accelerator over PCIe 5, one way. */
const LOAD_BYTES_PER_SECOND = 50e9;
/** An NVMe disk, read in order. */
const DISK_BYTES_PER_SECOND = 3e9;
const MIB = 1_048_576;

const chunksOf = (options: Parsed, { kvBytesPerToken }: EngineProfile): Pick<EngineSettings, 'chunks'> =>
  options.chunkMemory === 0
    ? {}
    : {
        chunks: {
          memoryBytes: options.chunkMemory * MIB,
          diskBytes: options.chunkDisk * MIB,
          diskBytesPerSecond: DISK_BYTES_PER_SECOND,
          kvBytesPerToken,
          loadBytesPerSecond: LOAD_BYTES_PER_SECOND,
          nonPrefix: !options.chunkPrefixOnly,
          damageNats: (requests) => options.chunkDamage + options.chunkDrift * Number(requests),
        },
      };

const defaultModel = (profile: EngineProfile): string => `sim-${profile.model}`;
