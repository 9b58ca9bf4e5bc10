/**
 * What the agent does when the model proposes no command. A simulated engine answers with text that means nothing, so
 * with one of those this list, not the model, decides every step: the loop, the tool calls and their durations are
 * real, the thinking is not.
 */
export const taskCommands: readonly string[] = [
  'uname -sr && nproc',
  'seq 1 300000 | sort -r | sort -n | tail -n 3',
  'for i in 1 2 3; do date -u +%T; sleep 0.3; done',
  'printf "%s\\n" one two three > list.txt && wc -l list.txt',
  'ls -la && rm list.txt',
];
