import { fileURLToPath } from 'node:url';
import completions, { type Command as Completed, type OptionHandler } from '@bomb.sh/tab';
import { policyNames } from '@holdfast/scheduling';
import { boundNames, DISTURBANCES, engineProfileNames } from '@holdfast/simulation';
import type { Command, Option } from 'commander';
import { FIDELITY_PARTS } from '../commands/fidelity.js';
import { PROGRAM_SELECTIONS } from '../trace-files/load-trace.js';

/** Shells whose completion scripts can be printed. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

type Names = readonly { readonly name: string; readonly summary?: string }[];

const named = (names: readonly string[]): Names => names.map((name) => ({ name }));

/** What may stand behind an option, or in its list; `chunks` has other policies. */
const VALUES: Readonly<Record<string, () => Names>> = {
  policies: () => [...policyNames(), ...boundNames()],
  engine: () => named(engineProfileNames),
  select: () => named(PROGRAM_SELECTIONS),
  arrivals: () => named(['poisson', 'burst:', 'trace']),
  disturb: () => named(DISTURBANCES.map((line) => line.split(/(?<==)|:/)[0]!)),
  parts: () => named(FIDELITY_PARTS),
};

/** Adds the hidden command that shells ask, and that prints the script which makes them ask. */
export const withCompletion = (cli: Command): void => {
  cli
    .command('complete', { hidden: true })
    .argument('[shell]', `prints the script for one of ${SHELLS.join(', ')}`)
    .allowUnknownOption()
    .allowExcessArguments()
    .action((shell: string | undefined, _options: object, own: Command) => {
      // The shell asks with `complete -- WORDS`.
      const words = process.argv.slice(process.argv.indexOf('--') + 1);
      if (process.argv[3] !== '--' && (SHELLS as readonly string[]).includes(shell ?? '')) {
        completions.setup('lab', executable(), shell!);
        process.stdout.write(`${COMMAND[shell as (typeof SHELLS)[number]](executable())}\n`);
        return;
      }
      if (process.argv[3] !== '--') own.error(`error: shell is "${shell ?? ''}"; allowed are ${SHELLS.join(', ')}`);
      for (const command of cli.commands) describe(command, command.name(), words.at(-1) ?? '');
      completions.parse(words);
    });
};

/** In single quotes: the scripts put it between double ones. */
const executable = (): string => `'${process.execPath}' '${fileURLToPath(new URL('../main.js', import.meta.url))}'`;

/** The script asks bash-completion for the words; where that is not installed, words are what blanks part. */
const BASH_WORDS = `declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
    local line="\${COMP_LINE:0:COMP_POINT}"
    read -ra words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    cword=$(( \${#words[@]} - 1 ))
    cur="\${words[cword]}" prev="\${words[cword - 1]}"
}`;

/** The scripts complete the command `lab`; this is that command. Bash falls back to the names of files. */
const COMMAND: Readonly<Record<(typeof SHELLS)[number], (command: string) => string>> = {
  bash: (command) => `${BASH_WORDS}\ncomplete -o default -F __lab_complete lab\nlab() { ${command} "$@"; }`,
  zsh: (command) => `lab() { ${command} "$@"; }`,
  fish: (command) => `function lab; ${command} $argv; end`,
};

const describe = (command: Command, path: string, typed: string): void => {
  if (path === 'complete') return;
  const completed = completions.command(path, command.description());
  const values = path.startsWith('chunks') ? {} : VALUES;
  for (const option of command.options) describeOption(completed, option, { values, typed });
  for (const sub of command.commands) describe(sub, `${path} ${sub.name()}`, typed);
};

const describeOption = (
  completed: Completed,
  option: Option,
  { values, typed }: { readonly values: Partial<typeof VALUES>; readonly typed: string },
): void => {
  const name = option.long?.replace(/^--/, '');
  if (name === undefined) return;
  const names = values[name]?.();
  if (names === undefined) completed.option(name, option.description);
  else completed.option(name, option.description, suggest(names, typed));
};

/** A list goes on behind its last comma. */
const suggest =
  (names: Names, typed: string): OptionHandler =>
  (complete) => {
    const before = typed.slice(0, typed.lastIndexOf(',') + 1);
    for (const { name, summary = '' } of names) complete(`${before}${name}`, summary);
  };
