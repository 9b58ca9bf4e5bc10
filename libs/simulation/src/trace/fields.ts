import { TraceError } from './trace-error.js';

/** More tokens than any context or answer has: a count above it is a fault of the trace. */
export const MAX_TOKENS = 10_000_000;
/** About four months. */
export const MAX_SECONDS = 10_000_000;

interface NumberRule {
  readonly from: number;
  readonly to: number;
  readonly isWhole: boolean;
  readonly unit: string;
}

const TOKENS: NumberRule = { from: 0, to: MAX_TOKENS, isWhole: true, unit: 'tokens' };
const SECONDS: NumberRule = { from: 0, to: MAX_SECONDS, isWhole: false, unit: 'seconds' };
const ANY: NumberRule = { from: -Number.MAX_VALUE, to: Number.MAX_VALUE, isWhole: false, unit: '' };

/** The fields of one record of a trace, read with their rules. Every method throws a TraceError that names the field. */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>;

  constructor(
    record: unknown,
    readonly lineNumber: number,
    private readonly path = '',
  ) {
    if (typeof record !== 'object' || record === null || Array.isArray(record)) {
      throw new TraceError(lineNumber, path, `is ${show(record)}; allowed is an object`);
    }
    this.#record = record as Readonly<Record<string, unknown>>;
  }

  /** Pure. Parses one line of JSON. */
  static ofJson(line: string, lineNumber: number): Fields {
    try {
      return new Fields(JSON.parse(line), lineNumber);
    } catch (error) {
      if (error instanceof TraceError) throw error;
      throw new TraceError(lineNumber, '', `is not JSON: ${show(line)}`);
    }
  }

  /** Pure. */
  has(name: string): boolean {
    return this.#record[name] !== undefined && this.#record[name] !== null;
  }

  /** Pure. A whole number of tokens, at most `MAX_TOKENS`. */
  tokens(name: string): number {
    return this.#number(name, TOKENS);
  }

  /** Pure. Seconds from 0 to `MAX_SECONDS`. */
  seconds(name: string): number {
    return this.#number(name, SECONDS);
  }

  /** Pure. Any finite number, also one written as text. */
  number(name: string): number {
    return this.#number(name, ANY);
  }

  /** Pure. A text that is not empty. */
  text(name: string): string {
    const value = this.#record[name];
    if (typeof value === 'string' && value !== '') return value;
    throw this.#bad(name, 'a text that is not empty');
  }

  /** Pure. A text, empty or not. */
  anyText(name: string): string {
    const value = this.#record[name];
    if (typeof value === 'string') return value;
    throw this.#bad(name, 'a text');
  }

  /** Pure. A list of objects. */
  objects(name: string): readonly Fields[] {
    return this.#list(name).map(
      (entry, index) => new Fields(entry, this.lineNumber, `${this.#pathOf(name)}[${index}]`),
    );
  }

  /** Pure. One object. */
  object(name: string): Fields {
    return new Fields(this.#record[name], this.lineNumber, this.#pathOf(name));
  }

  /** Pure. A list of safe integers from 0. */
  ids(name: string): readonly number[] {
    return this.#list(name).map((entry, index) => {
      if (Number.isSafeInteger(entry) && (entry as number) >= 0) return entry as number;
      throw this.bad(`${name}[${index}]`, entry, 'a whole number from 0');
    });
  }

  /** Pure. A list of texts. */
  texts(name: string): readonly string[] {
    return this.#list(name).map((entry, index) => {
      if (typeof entry === 'string') return entry;
      throw this.bad(`${name}[${index}]`, entry, 'a text');
    });
  }

  /** Pure. Runs `[first, count]` of consecutive ids. */
  runs(name: string): readonly (readonly [number, number])[] {
    return this.#list(name).map((entry, index) => {
      const isPair = Array.isArray(entry) && entry.length === 2;
      const [first, count] = (isPair ? entry : []) as readonly unknown[];
      if (isWhole(first) && isWhole(count) && count <= MAX_TOKENS) return [first, count];
      throw this.bad(`${name}[${index}]`, entry, `a pair [first id, count] with a count up to ${MAX_TOKENS}`);
    });
  }

  /** Pure. The error of a field with this value. */
  bad(name: string, value: unknown, allowed: string): TraceError {
    return new TraceError(this.lineNumber, this.#pathOf(name), `is ${show(value)}; allowed is ${allowed}`);
  }

  #number(name: string, { from, to, isWhole: whole, unit }: NumberRule): number {
    const raw = this.#record[name];
    const value = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw;
    if (typeof value === 'number' && value >= from && value <= to && (!whole || Number.isInteger(value))) return value;
    const kind = whole ? 'a whole number' : 'a number';
    throw this.#bad(name, unit === '' ? kind : `${kind} of ${unit} from ${from} to ${to}`);
  }

  #list(name: string): readonly unknown[] {
    const value = this.#record[name];
    if (Array.isArray(value)) return value;
    throw this.#bad(name, 'a list');
  }

  #bad(name: string, allowed: string): TraceError {
    return this.bad(name, this.#record[name], allowed);
  }

  #pathOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const LONGEST_SHOWN = 60;

const show = (value: unknown): string => {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}...`;
};
