/** Which operation a request is for. */
import type { Operation } from './operation.js';

/** A request's operation, or what to answer instead. */
export type Route =
  | { readonly type: 'operation'; readonly operation: Operation; readonly params: Readonly<Record<string, string>> }
  | { readonly type: 'wrongMethod'; readonly allowed: readonly string[] }
  | { readonly type: 'unknown' };

interface Pattern {
  readonly expression: RegExp;
  readonly names: readonly string[];
  readonly byMethod: ReadonlyMap<string, Operation>;
}

/** Pure. Makes the function that finds the operation of a method and a path below /api/v1. */
export const routeFinder = (operations: readonly Operation[]): ((method: string, path: string) => Route) => {
  const paths = [...new Set(operations.map(({ path }) => path))];
  const patterns = paths.map((path) =>
    patternOf(
      path,
      operations.filter((operation) => operation.path === path),
    ),
  );
  return (method, path) => {
    for (const { expression, names, byMethod } of patterns) {
      const values = expression.exec(path)?.slice(1);
      if (values === undefined) continue;
      const operation = byMethod.get(method);
      if (operation === undefined) return { type: 'wrongMethod', allowed: [...byMethod.keys()] };
      return {
        type: 'operation',
        operation,
        params: Object.fromEntries(names.map((name, index) => [name, decoded(values[index] ?? '')])),
      };
    }
    return { type: 'unknown' };
  };
};

const patternOf = (path: string, operations: readonly Operation[]): Pattern => ({
  expression: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '([^/]*)')}$`),
  names: [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? ''),
  byMethod: new Map(operations.map((operation) => [operation.method, operation])),
});

const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    // What cannot be decoded matches no schema, and the caller is told so.
    return part;
  }
};
