import { micros, type Duration } from '../model/units.js';

/** A policy that is not in the registry, or a parameter that it does not take. */
export class PolicySpecError extends Error {
  override readonly name = 'PolicySpecError';
}

/** The `key=value` parameters of a policy spec, read once each; `finish` refuses what nobody read. */
export class ParameterReader {
  readonly #spec: string;
  readonly #values: Map<string, string>;
  readonly #known: string[] = [];

  constructor(spec: string, pairs: readonly string[]) {
    this.#spec = spec;
    this.#values = new Map();
    for (const pair of pairs) {
      const at = pair.indexOf('=');
      if (at < 1) throw new PolicySpecError(`policy "${spec}": "${pair}" is not of the form name=value`);
      this.#values.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }

  /** Modifies state. A duration such as 250ms, 2s, 5m, 1h; at least `minimum`. */
  duration(name: string, fallback: Duration, minimum: Duration = micros(0)): Duration {
    const text = this.#take(name);
    if (text === undefined) return fallback;
    const match = /^(\d+(?:\.\d+)?)(us|ms|s|m|h)$/.exec(text);
    const value = match === null ? NaN : Number(match[1]) * (MICROS_PER_UNIT.get(match[2] ?? '') ?? NaN);
    if (!(value >= minimum)) throw this.#bad(name, text, `a duration such as 250ms, 2s or 5m, at least ${minimum} us`);
    return micros(value);
  }

  /** Modifies state. A whole number from `minimum` to `maximum`. */
  integer(name: string, fallback: number, range: { readonly minimum: number; readonly maximum: number }): number {
    const text = this.#take(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < range.minimum || value > range.maximum) {
      throw this.#bad(name, text, `a whole number from ${range.minimum} to ${range.maximum}`);
    }
    return value;
  }

  /** Modifies state. A number from `minimum` to `maximum`. */
  number(name: string, fallback: number, range: { readonly minimum: number; readonly maximum: number }): number {
    const text = this.#take(name);
    if (text === undefined) return fallback;
    const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (!(value >= range.minimum && value <= range.maximum)) {
      throw this.#bad(name, text, `a number from ${range.minimum} to ${range.maximum}`);
    }
    return value;
  }

  /** Modifies state. `yes` or `no`. */
  flag(name: string): boolean {
    return this.choice(name, 'no', ['no', 'yes']) === 'yes';
  }

  /** Modifies state. One of the given words. */
  choice<T extends string>(name: string, fallback: T, allowed: readonly T[]): T {
    const text = this.#take(name);
    if (text === undefined) return fallback;
    const found = allowed.find((word) => word === text);
    if (found === undefined) throw this.#bad(name, text, `one of ${allowed.join(', ')}`);
    return found;
  }

  /** Throws PolicySpecError for parameters that nobody read. */
  finish(): void {
    const unread = [...this.#values.keys()][0];
    if (unread === undefined) return;
    const known = this.#known.length === 0 ? 'it takes none' : `it takes ${this.#known.join(', ')}`;
    throw new PolicySpecError(`policy "${this.#spec}": unknown parameter "${unread}"; ${known}`);
  }

  #take(name: string): string | undefined {
    this.#known.push(name);
    const value = this.#values.get(name);
    this.#values.delete(name);
    return value;
  }

  #bad(name: string, value: string, allowed: string): PolicySpecError {
    return new PolicySpecError(`policy "${this.#spec}": parameter ${name} is "${value}", allowed is ${allowed}`);
  }
}

const MICROS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['us', 1],
  ['ms', 1_000],
  ['s', 1_000_000],
  ['m', 60_000_000],
  ['h', 3_600_000_000],
]);
