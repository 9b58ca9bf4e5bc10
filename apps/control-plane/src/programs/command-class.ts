/** Commands that cost nothing: they say nothing about how long the line takes. */
const trivial = new Set([
  'cd',
  'echo',
  'export',
  'source',
  '.',
  'set',
  'true',
  'false',
  'pwd',
  'printf',
  'mkdir',
  'test',
  'exit',
  'head',
  'tail',
  'cat',
  'wc',
  'grep',
  'tee',
  'sort',
  'sleep',
]);

/** Prefixes that run the command that follows them. */
const wrappers = new Set(['sudo', 'time', 'nice', 'env', 'nohup', 'exec', 'timeout', 'xargs', 'stdbuf']);

/** Commands whose first argument says what they do. */
const multiplexers = new Set([
  'npm',
  'npx',
  'yarn',
  'pnpm',
  'git',
  'cargo',
  'go',
  'docker',
  'kubectl',
  'pip',
  'pip3',
  'uv',
  'poetry',
  'make',
  'apt',
  'apt-get',
  'bundle',
  'mvn',
  'gradle',
  'dotnet',
  'conda',
  'nx',
]);

const maxClassCharacters = 64;

/**
 * Pure. The class of a shell command line, for predictions: its last sub-command that is not trivial, as program and,
 * where that says more, its first argument. Null when there is none. The command line itself is not kept.
 */
export const commandClass = (command: string): string | null => {
  const classes = command.split(/\n|;|&&|\|\||\|/).flatMap((part) => classOf(part) ?? []);
  const lastExpensive = classes.findLast((name) => !trivial.has(name));
  return (lastExpensive ?? classes.at(-1) ?? null)?.slice(0, maxClassCharacters) ?? null;
};

const classOf = (part: string): string | null => {
  const words = part
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  while (words[0] !== undefined && isPrefix(words[0])) words.shift();
  const [first, ...rest] = words;
  if (first === undefined) return null;
  const name = first.slice(first.lastIndexOf('/') + 1);
  if (/^python[\d.]*$/.test(name) && rest[0] === '-m' && rest[1] !== undefined) return `python -m ${rest[1]}`;
  // Paths and values of options say what it works on, not what it does.
  const argument = rest.find((word) => /^[A-Za-z][\w:-]*$/.test(word));
  return multiplexers.has(name) && argument !== undefined ? `${name} ${argument}` : name;
};

/** Variable assignments, wrappers, and the arguments of wrappers (`timeout 30s`, `nice -n 5`). */
const isPrefix = (word: string): boolean =>
  /^[A-Za-z_]\w*=/.test(word) || wrappers.has(word) || word.startsWith('-') || /^\d+[smh]?$/.test(word);
