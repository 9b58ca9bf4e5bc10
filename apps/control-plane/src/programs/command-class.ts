import { seconds, type Duration } from '@holdfast/scheduling';
import { parse } from 'shell-quote';

/** What a shell command line says about how long it takes. The line itself is not kept. */
export interface CommandClass {
  /**
   * Its last sub-command that is not trivial, as program and, where that says more, its first argument, e.g. `npm test`;
   * null when there is none.
   */
  readonly name: string | null;
  /** Limit that the line sets itself with `timeout`; null when it sets none to the sub-command it is named after. */
  readonly timeout: Duration | null;
}

/** Commands that cost nothing: they say nothing about how long the line takes. */
const trivial = new Set(
  'cd echo export source . set true false pwd printf mkdir test exit head tail cat wc grep tee sort sleep done fi esac'.split(
    ' ',
  ),
);

/** Words that come before a command, and prefixes that run the command that follows them. */
const wrappers = new Set(
  'do then else elif if while until ! { sudo time nice env nohup exec timeout xargs stdbuf'.split(' '),
);

/** Commands whose first argument says what they do. */
const multiplexers = new Set(
  (
    'npm npx yarn pnpm git cargo go docker kubectl pip pip3 uv poetry make apt apt-get bundle mvn gradle dotnet conda ' +
    'nx hatch mise pdm'
  ).split(' '),
);

/** First arguments that say that the next one says what is done: `uv run pytest`. */
const runners = new Set(['run', 'exec', 'compose', 'tool']);

const shells = new Set(['bash', 'sh', 'zsh', 'dash']);
const MOST_NESTED_SHELLS = 3;
const MOST_CLASS_CHARACTERS = 64;
const SECONDS_OF_UNIT: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Pure. The class of a shell command line, for predictions. */
export const commandClass = (command: string): CommandClass => {
  const parts = subCommands(command, MOST_NESTED_SHELLS);
  const expensive = parts.findLast(({ program }) => !trivial.has(program));
  const chosen = expensive ?? parts.findLast(({ program }) => program === 'sleep') ?? parts.at(-1);
  if (chosen === undefined) return { name: null, timeout: null };
  return { name: chosen.name.slice(0, MOST_CLASS_CHARACTERS), timeout: chosen.timeout };
};

interface SubCommand {
  readonly program: string;
  readonly name: string;
  readonly timeout: Duration | null;
}

const subCommands = (command: string, nestedShells: number): readonly SubCommand[] => {
  const parts: string[][] = [[]];
  for (const token of tokensOf(command)) {
    if (typeof token === 'string') parts.at(-1)!.push(token);
    else if ('op' in token && token.op === 'glob') parts.at(-1)!.push(token.pattern);
    // What a redirection names is no command.
    else if ('op' in token && /[<>]/.test(token.op)) parts.at(-1)!.push('>');
    else parts.push([]);
  }
  return parts.flatMap((words) => subCommand(words, nestedShells));
};

const tokensOf = (command: string): ReturnType<typeof parse> => {
  try {
    return parse(inOneLine(command), (name) => `$${name}`);
  } catch {
    // Not a command line that a shell would take (a bad substitution): it has no class, and fails at once.
    return [];
  }
};

/** Bodies of here-documents, comments and line ends are not told apart by the parser. */
const inOneLine = (command: string): string =>
  command
    .replaceAll('\\\n', ' ')
    .replace(/<<-?\s*(['"]?)(\w+)\1([^\n]*)\n[\s\S]*?(?:^\s*\2\s*$|$(?![\s\S]))/gm, '$3\n')
    .replace(/^\s*#.*$/gm, '')
    .replaceAll('\n', ' ; ');

const subCommand = (words: readonly string[], nestedShells: number): readonly SubCommand[] => {
  const start = words.findIndex((word, index) => !isPrefix(word, words[index - 1]));
  const [first, ...rest] = start < 0 ? [] : words.slice(start);
  if (first === undefined || first === '>') return [];
  const program = first.slice(first.lastIndexOf('/') + 1);
  const timeout = timeoutOf(words.slice(0, start));
  if (shells.has(program) && nestedShells > 0 && rest[0] !== undefined && /^-\w*c$/.test(rest[0])) {
    const inner = subCommands(rest[1] ?? '', nestedShells - 1);
    return inner.map((part) => ({ ...part, timeout: part.timeout ?? timeout }));
  }
  return [{ program, name: nameOf(program, rest), timeout }];
};

const nameOf = (program: string, words: readonly string[]): string => {
  if (/^python[\d.]*$/.test(program)) {
    if (words[0] === '-c') return 'python -c';
    return words[0] === '-m' && words[1] !== undefined ? `python -m ${words[1]}` : 'python';
  }
  if (program === 'sleep') return `sleep ${words[0] ?? ''}`.trim();
  if (!multiplexers.has(program)) return program;
  // Paths and values of options say what it works on, not what it does.
  const index = words.findIndex((word) => /^[A-Za-z][\w:-]*$/.test(word));
  const verb = words[index];
  if (verb === undefined) return program;
  const next = words[index + 1];
  return runners.has(verb) && next !== undefined ? `${program} ${verb} ${next}` : `${program} ${verb}`;
};

/** Variable assignments, wrappers, and the arguments of wrappers (`timeout -k 5 30s`, `nice -n 5`). */
const isPrefix = (word: string, before: string | undefined): boolean =>
  /^[A-Za-z_]\w*=/.test(word) ||
  wrappers.has(word) ||
  word.startsWith('-') ||
  /^\d+(\.\d+)?[smhd]?$/.test(word) ||
  (before === '-s' && /^[A-Z0-9]+$/.test(word));

/** Of `timeout [option...] duration command`. */
const timeoutOf = (prefix: readonly string[]): Duration | null => {
  const at = prefix.lastIndexOf('timeout');
  if (at < 0) return null;
  for (const [index, word] of prefix.entries()) {
    const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(word);
    if (index <= at || match === null || prefix[index - 1] === '-k') continue;
    const length = Number(match[1]) * SECONDS_OF_UNIT[match[2]!]!;
    return length > 0 && length < 86_400 * 365 ? seconds(length) : null;
  }
  return null;
};
