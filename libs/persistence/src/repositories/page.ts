import { invalidFields } from '@holdfast/platform';

/** A page and the way to the next one. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Absent on the last page. */
  readonly nextPageToken?: string;
}

/** Pure. An opaque token of the row after which the next page begins. */
export const encodePageToken = (position: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

/**
 * Pure. Reads {@link encodePageToken}; `shape` gives the type of each part.
 *
 * @throws DomainError FIELD_INVALID for a token that was not made here.
 */
export function decodePageToken<const Shape extends readonly ('string' | 'number')[]>(
  token: string,
  shape: Shape,
): { -readonly [Index in keyof Shape]: Shape[Index] extends 'string' ? string : number } {
  const parts = parse(token);
  const isExpected =
    Array.isArray(parts) &&
    parts.length === shape.length &&
    shape.every((type, index) => typeof parts[index] === type) &&
    parts.every((part) => (typeof part === 'number' ? Number.isSafeInteger(part) : !part.includes('\0')));
  if (!isExpected) {
    const description = `is ${JSON.stringify(token)}; allowed: the next_page_token of the answer before`;
    throw invalidFields([{ field: 'page_token', description }]);
  }
  return parts as ReturnType<typeof decodePageToken<Shape>>;
}

function parse(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    // Not JSON, so not a token of ours: the caller reports it.
    return undefined;
  }
}

/** Pure. Cuts `rows`, read with one more than asked for, into a page. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  pageSize: number,
  map: { readonly item: (row: Row) => Item; readonly position: (row: Row) => readonly (string | number)[] },
): Page<Item> {
  const kept = rows.slice(0, pageSize);
  const last = kept.at(-1);
  const items = kept.map(map.item);
  if (rows.length <= pageSize || last === undefined) return { items };
  return { items, nextPageToken: encodePageToken(map.position(last)) };
}

/**
 * Pure. A page size that is allowed.
 *
 * @throws DomainError FIELD_INVALID otherwise.
 */
export function requirePageSize(pageSize: number, max: number): number {
  if (Number.isInteger(pageSize) && pageSize >= 1 && pageSize <= max) return pageSize;
  throw invalidFields([{ field: 'page_size', description: `is ${pageSize}; allowed: 1 to ${max}` }]);
}
