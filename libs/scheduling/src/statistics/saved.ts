/** What policies have learned, as plain JSON, and readers that take nothing on trust: it comes from a database. */

/** Anything JSON can hold. */
export type Saved = string | number | boolean | null | readonly Saved[] | { readonly [key: string]: Saved };

/** Parts of one policy's memory, by name. */
export type SavedParts = Readonly<Record<string, Saved>>;

/** What a pool's policies have learned. Carries no names or texts of callers but those of tools and program classes. */
export interface StatisticsDocument {
  /** Of this shape; a document of another version is not read. */
  readonly version: 1;
  /** By the policy's type, e.g. `retention.elastic`: another policy finds nothing here and starts cold. */
  readonly policies: Readonly<Record<string, SavedParts>>;
}

/** How a policy's learned state is saved and loaded. What belongs to live programs is not part of it. */
export interface PolicyMemory<S> {
  /** Pure. */
  save(state: S): SavedParts;
  /** Modifies `state`: each part replaces what was learned; one that is absent or ill-formed changes nothing. */
  load(state: S, parts: Partial<SavedParts>): void;
}

/** Pure. A finite number of at least 0; undefined for anything else. */
export const savedAmount = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;

/** Pure. A list of finite numbers of at least 0, of this length if one is given; undefined for anything else. */
export const savedAmounts = (value: unknown, length?: number): readonly number[] | undefined => {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) return undefined;
  return value.every((item) => savedAmount(item) !== undefined) ? (value as number[]) : undefined;
};

/** Pure. `[name, value]` pairs, each value read by `read`; undefined when one of them cannot be read. */
export const savedEntries = <Value>(
  value: unknown,
  read: (saved: unknown) => Value | undefined,
): readonly (readonly [string, Value])[] | undefined => {
  if (!Array.isArray(value)) return undefined;
  const entries: (readonly [string, Value])[] = [];
  for (const pair of value as readonly unknown[]) {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string') return undefined;
    const known = read(pair[1]);
    if (known === undefined) return undefined;
    entries.push([pair[0], known]);
  }
  return entries;
};

/** Pure. The fields of an object, each a finite number; undefined when one is missing. */
export const savedNumbers = <Key extends string>(
  value: unknown,
  keys: readonly Key[],
): Readonly<Record<Key, number>> | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const isComplete = keys.every((key) => typeof fields[key] === 'number' && Number.isFinite(fields[key]));
  return isComplete ? (fields as Readonly<Record<Key, number>>) : undefined;
};
