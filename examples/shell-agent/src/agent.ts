import type { Holdfast, Message, Program } from '@holdfast/sdk';
import { bashBlock } from './bash-block.js';
import { turnLine } from './report.js';
import { runShell } from './shell.js';
import { taskCommands } from './tasks.js';

/** What the agent is given. */
export interface AgentOptions {
  readonly holdfast: Holdfast;
  /** Unset takes the only pool there is. */
  readonly model?: string;
  /** What the model is asked to do. */
  readonly task: string;
  /** Turns at most. */
  readonly turns: number;
  /** Output tokens of a turn at most. */
  readonly maxTokens: number;
  /** Time after which a command is given up, in milliseconds. */
  readonly commandTimeoutMs: number;
  /** Where commands run. */
  readonly directory: string;
  /** Whether commands that the model writes are run. Otherwise every command comes from the task list. */
  readonly modelCommands: 'run' | 'ignore';
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

const systemPrompt =
  'You are a careful engineer with a shell. Answer with one short command in a ```bash block; you will see its output. ' +
  'Without a block you are done.';

/** Runs the agent as one program: turn, command, turn, command. */
export const runAgent = (options: AgentOptions): Promise<void> => {
  const { holdfast, model, task, turns, signal } = options;
  const start = { name: 'shell-agent', programClass: 'shell-agent', expectedTurns: turns, signal };
  return holdfast.run({ ...start, ...(model === undefined ? {} : { model }) }, async (program) => {
    options.print(`program ${program.id} on model ${program.info.model}`);
    const opening: Message[] = [
      { role: 'system', content: systemPrompt },
      { role: 'user', content: task },
    ];
    let news: { messages: Message[] } | { appendMessages: Message[] } = { messages: opening };
    for (let turn = 1; turn <= turns; turn += 1) {
      const last = turn === turns;
      const result = await program.turn({ ...news, maxTokens: options.maxTokens, last });
      options.print(turnLine(turn, result, Date.now()));
      const command = last ? undefined : nextCommand(options, turn, result.text);
      if (command === undefined) return;
      // Only what is new: the service holds the conversation so far, the model's answer included.
      news = { appendMessages: [{ role: 'user', content: await callShell(options, program, command) }] };
    }
  });
};

const nextCommand = ({ modelCommands }: AgentOptions, turn: number, answer: string): string | undefined => {
  const proposed = modelCommands === 'run' ? bashBlock(answer) : undefined;
  return proposed ?? taskCommands[turn - 1];
};

/** What the model is told about a command. A command that fails or is given up is news, not the end of the program. */
const callShell = async (options: AgentOptions, program: Program, command: string): Promise<string> => {
  const { directory, commandTimeoutMs, signal, print } = options;
  const startedAtMs = performance.now();
  const tookMs = (): number => Math.round(performance.now() - startedAtMs);
  try {
    const { exit, output } = await program.tool('bash', { command, timeoutMs: commandTimeoutMs }, (aborted) =>
      runShell(command, { directory, signal: aborted }),
    );
    print(`  $ ${command}\n    exit ${exit} after ${tookMs()} ms`);
    return `exit ${exit}\n${output}`;
  } catch (error) {
    signal.throwIfAborted();
    print(`  $ ${command}\n    ${String(error)} after ${tookMs()} ms`);
    return `The command did not finish: ${String(error)}`;
  }
};
