import type { z } from 'zod';
import { describeSetting } from './describe-setting.js';

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  /** Name of the environment variable. */
  readonly field: string;
  /** The value as given; `(not set)`, or `(hidden)` for a secret. */
  readonly value: string;
  readonly allowed: string;
}

/** The configuration is not usable. Lists every problem, so that one round of editing can solve them all. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ field, value, allowed }) => `  ${field} is ${value}; allowed: ${allowed}`);
    super(`the configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${lines.join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Options of {@link loadConfig}. */
export interface LoadConfigOptions {
  /** A variable that starts so and is not in the schema is a problem: it is likely a typing error. */
  readonly ownPrefix?: string;
}

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Pure. Parses `env` by a schema whose keys are names of environment variables. An empty variable counts as not set.
 * The result is frozen.
 *
 * @throws ConfigError with all problems at once.
 */
export function loadConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  env: Environment,
  options: LoadConfigOptions = {},
): Readonly<z.output<z.ZodObject<Shape>>> {
  const names = Object.keys(schema.shape);
  const given = Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const result = schema.safeParse(given);
  const wrong = result.success ? [] : result.error.issues.map((issue) => problemOf(schema, env, issue));
  const problems = [...wrong, ...unknownVariables(names, env, options.ownPrefix)];
  if (result.success && problems.length === 0) return Object.freeze(result.data);
  throw new ConfigError(problems);
}

function problemOf(schema: z.ZodObject, env: Environment, issue: z.core.$ZodIssue): ConfigProblem {
  const field = String(issue.path[0] ?? '(all)');
  const setting = schema.shape[field] as z.ZodType | undefined;
  const { allowed, secret } = setting ? describeSetting(setting) : { allowed: undefined, secret: false };
  const text = env[field];
  const value = text ? (secret ? '(hidden)' : JSON.stringify(text)) : '(not set)';
  return { field, value, allowed: allowed ?? issue.message };
}

function unknownVariables(names: readonly string[], env: Environment, prefix: string | undefined): ConfigProblem[] {
  if (prefix === undefined) return [];
  const own = Object.keys(env).filter((name) => name.startsWith(prefix) && env[name] && !names.includes(name));
  return own.sort().map((name) => {
    const near = nearest(name, names);
    const hint = near === undefined ? `only ${names.join(', ')}` : `no such variable; did you mean ${near}?`;
    return { field: name, value: '(unknown)', allowed: hint };
  });
}

/** The known name with the smallest edit distance, if that is small enough to be a typing error. */
function nearest(name: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }));
  ranked.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  return ranked[0] !== undefined && ranked[0].distance <= 3 ? ranked[0].candidate : undefined;
}

/** Levenshtein distance by rows. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
