/** Characters that PostgreSQL text cannot hold: NUL, and halves of surrogate pairs. */
const unstorable = /[\0\ud800-\udfff]/;
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Pure. The text with U+FFFD in place of what PostgreSQL cannot hold; almost always the text itself. */
export function storableText(text: string): string {
  return unstorable.test(text) ? text.replaceAll('\0', '\ufffd').replace(loneSurrogate, '\ufffd') : text;
}

/** Pure. JSON text that PostgreSQL accepts, keys included. Numbers that JSON lacks (NaN, Infinity) become null. */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'string') return storableText(item);
    if (typeof item === 'bigint') return Number(item);
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    const keys = Object.keys(item);
    if (!keys.some((key) => unstorable.test(key))) return item;
    return Object.fromEntries(Object.entries(item).map(([key, field]) => [storableText(key), field]));
  });
}

/** Pure. Roughly the bytes a value takes as JSON: enough to bound queues and batches by memory. */
export function approximateBytes(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (value instanceof Uint8Array || value instanceof Uint32Array) return 2 * value.byteLength + 4;
  if (typeof value !== 'object' || value === null) return 8;
  let total = 2;
  for (const [key, item] of Object.entries(value)) total += key.length + 3 + approximateBytes(item);
  return total;
}
