import { readFileSync } from 'node:fs';

/** One recorded turn, as numbers. */
export interface TurnFacts {
  readonly promptTokens: number;
  /** Leading tokens equal to the last prompt and its output. */
  readonly sharedTokens: number;
  readonly outputTokens: number;
  /** From the end of the turn before to this turn: the tool. */
  readonly gapSeconds: number;
  /** Name of that tool, or "tool" where the trace does not say. */
  readonly tool: string;
}

/** One recorded agent program. */
export interface ProgramFacts {
  readonly id: string;
  readonly turns: readonly TurnFacts[];
}

/**
 * Pure. Reads JSON lines, one program each.
 *
 * @param source - what the text is from, for messages.
 * @throws Error that names the line, the field, its value and what is allowed.
 */
export const parseProgramFacts = (text: string, source: string): readonly ProgramFacts[] => {
  const lines = text.split('\n').map((line, index) => ({ line, where: `${source}:${index + 1}` }));
  return lines.filter(({ line }) => line !== '').map(({ line, where }) => parseProgram(line, where));
};

/** Reads a file of programs. Throws as `parseProgramFacts` does, and when the file cannot be read. */
export const readProgramFacts = (file: URL): readonly ProgramFacts[] =>
  parseProgramFacts(readFileSync(file, 'utf8'), file.pathname);

const parseProgram = (line: string, where: string): ProgramFacts => {
  const { id, turns } = parseJson(line, where);
  if (typeof id !== 'string' || id === '') throw problem(where, 'id', id, 'text that is not empty');
  if (!Array.isArray(turns) || turns.length === 0) throw problem(where, 'turns', turns, 'a list of at least one turn');
  let context = 0;
  return {
    id,
    turns: turns.map((value: unknown, index) => {
      const turn = parseTurn(value, `${where}: turns[${index}]`, context);
      context = turn.promptTokens + turn.outputTokens;
      return turn;
    }),
  };
};

const parseJson = (line: string, where: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(line);
    if (isRecord(value)) return value;
  } catch {
    // Told below, with the place.
  }
  throw new Error(`${where}: is not a JSON object`);
};

const parseTurn = (value: unknown, where: string, context: number): TurnFacts => {
  if (!isRecord(value)) throw new Error(`${where}: is not a JSON object`);
  const whole = (field: string, from: number, to = Number.MAX_SAFE_INTEGER): number => {
    const number = value[field];
    if (typeof number === 'number' && Number.isInteger(number) && number >= from && number <= to) return number;
    throw problem(where, field, number, `a whole number from ${from} to ${to}`);
  };
  const promptTokens = whole('promptTokens', 1);
  const { gapSeconds, tool } = value;
  if (typeof gapSeconds !== 'number' || !(gapSeconds >= 0)) {
    throw problem(where, 'gapSeconds', gapSeconds, 'a number from 0');
  }
  if (typeof tool !== 'string' || tool === '') throw problem(where, 'tool', tool, 'text that is not empty');
  return {
    promptTokens,
    // At least one token is new, or there would be nothing to compute.
    sharedTokens: whole('sharedTokens', 0, Math.min(context, promptTokens - 1)),
    outputTokens: whole('outputTokens', 1),
    gapSeconds,
    tool,
  };
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const problem = (where: string, field: string, value: unknown, allowed: string): Error =>
  new Error(`${where}: ${field} is ${JSON.stringify(value)}; allowed: ${allowed}`);
