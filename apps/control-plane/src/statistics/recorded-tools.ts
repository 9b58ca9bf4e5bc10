import type { EndedToolCall, ForgottenCalls } from '@holdfast/persistence';
import { toolOfClass, type Instant } from '@holdfast/scheduling';

/** Pure. The name by which policies know the tool of a recorded call: empty for a gap without a reported tool. */
export const recordedTool = ({ tool, commandClass }: Pick<EndedToolCall, 'tool' | 'commandClass'>): string =>
  tool === null ? '' : toolOfClass(tool, commandClass);

/** Pure. True when an operator has had the call forgotten; `tool` may have a command class. */
export const isForgotten = (
  { tool, endedAt }: { readonly tool: string; readonly endedAt: Instant },
  { before, tools }: ForgottenCalls,
): boolean => {
  const [withoutClass = ''] = tool.split(':', 1);
  return [before, tools.get(tool), tools.get(withoutClass)].some((at) => at !== undefined && endedAt < at);
};
