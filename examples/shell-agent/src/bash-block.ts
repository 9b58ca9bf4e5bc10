/** The command in the last fenced `bash`, `sh` or `shell` block of a model's answer; undefined when there is none. */
export const bashBlock = (answer: string): string | undefined => {
  const blocks = [...answer.matchAll(/^```(?:bash|sh|shell)[ \t]*\n([\s\S]*?)^```[ \t]*$/gm)];
  const command = blocks.at(-1)?.[1]?.trim();
  return command === '' ? undefined : command;
};
