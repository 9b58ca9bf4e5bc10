/**
 * zod schemas of values that come from the environment as text. Each knows what it allows (`meta.allowed`), so that a
 * wrong value is answered with the right ones and `.env.example` can be generated.
 *
 * Give defaults with `.prefault('2s')`: the text goes through the same parser as a user's. Mark secrets with
 * `.meta({ secret: true })`: their values are never printed.
 */
import { type Duration, millis } from '@holdfast/scheduling';
import ms from 'ms';
import { z } from 'zod';

/** A host and a port to bind or to reach. */
export interface HostPort {
  readonly host: string;
  /** 0 lets the system choose, where the setting allows it. */
  readonly port: number;
}

const durationPattern = /^\d+(\.\d+)?\s*(ms|s|m|h|d)$/;
const sizePattern = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)$/;
const hostPortPattern = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;

const bytesPerUnit: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Pure. Text that `parse` reads; undefined from `parse` means that it is not allowed. */
function textSetting<Value>(allowed: string, parse: (text: string) => Value | undefined): z.ZodType<Value, string> {
  return z
    .string()
    .transform((text, context) => {
      const value = parse(text.trim());
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: allowed });
      return z.NEVER;
    })
    .meta({ allowed });
}

/** Pure. A length of time with its unit, e.g. `250ms`, `2s`, `5m`, `1h`; integer microseconds as output. */
export const durationSetting = (): z.ZodType<Duration, string> =>
  textSetting('a duration with its unit, e.g. 250ms, 2s, 5m, 1h', (text) =>
    durationPattern.test(text) ? millis(ms(text as ms.StringValue)) : undefined,
  );

/** Pure. A number of bytes with its unit, e.g. `64MiB`, `1.5GB`; whole bytes as output. */
export const sizeSetting = (): z.ZodType<number, string> =>
  textSetting('a size with its unit, e.g. 512KiB, 64MiB, 2GB', (text) => {
    const [, amount, unit] = sizePattern.exec(text) ?? [];
    const bytes = Math.round(Number(amount) * (bytesPerUnit[unit ?? ''] ?? Number.NaN));
    return Number.isSafeInteger(bytes) ? bytes : undefined;
  });

/** Pure. `host:port`, with an IPv6 address in brackets. */
export const hostPortSetting = (): z.ZodType<HostPort, string> =>
  textSetting('host:port, e.g. 127.0.0.1:7070 or [::1]:7070, with a port from 0 to 65535', (text) => {
    const [, ipv6, name, digits] = hostPortPattern.exec(text) ?? [];
    const host = ipv6 ?? name;
    const port = Number(digits);
    return host !== undefined && port <= 65_535 ? { host, port } : undefined;
  });

/** Pure. A whole number within bounds, both included. */
export const integerSetting = (bounds: { readonly min: number; readonly max: number }): z.ZodType<number, string> =>
  numberSetting({ ...bounds, integer: true });

/** Pure. A number within bounds, both included. */
export function numberSetting(bounds: {
  readonly min: number;
  readonly max: number;
  readonly integer?: boolean;
}): z.ZodType<number, string> {
  const kind = bounds.integer ? 'a whole number' : 'a number';
  return textSetting(`${kind} from ${bounds.min} to ${bounds.max}`, (text) => {
    const value = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    const isAllowed = value >= bounds.min && value <= bounds.max && (!bounds.integer || Number.isInteger(value));
    return isAllowed ? value : undefined;
  });
}

/** Pure. A switch. */
export const flagSetting = (): z.ZodType<boolean, string> =>
  textSetting('true or false', (text) => (text === 'true' || text === 'false' ? text === 'true' : undefined));

/** Pure. One of some words. */
export const choiceSetting = <const Word extends string>(words: readonly Word[]): z.ZodType<Word, string> =>
  textSetting(`one of ${words.join(', ')}`, (text) => words.find((word) => word === text));

/** Pure. Text that is not empty. */
export const textValueSetting = (allowed = 'text that is not empty'): z.ZodType<string, string> =>
  textSetting(allowed, (text) => (text === '' ? undefined : text));

/** Pure. Values of one kind, separated by commas; empty parts are dropped. */
export function listSetting<Value>(item: z.ZodType<Value, string>): z.ZodType<readonly Value[], string> {
  const allowed = `a comma-separated list, each item ${String(item.meta()?.['allowed'] ?? 'text')}`;
  return textSetting(allowed, (text) => {
    const parts = text.split(',').map((part) => part.trim());
    const parsed = parts.filter((part) => part !== '').map((part) => item.safeParse(part));
    return parsed.every((result) => result.success) ? parsed.map((result) => result.data) : undefined;
  });
}
