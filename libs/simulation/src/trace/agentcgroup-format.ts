import type { RecordedProgram } from '../lab/workload.js';
import { Fields } from './fields.js';
import { ProgramBuilder } from './program-builder.js';
import type { TraceParser } from './trace-parser.js';

/** Groups whose server reported true output counts. */
const hasTrueUsage = (group: string): boolean => group === 'all_images_local' || group.startsWith('empirical_study');

/**
 * Runs of autonomous agents. A prompt extends the context, except where a sub-agent begins or ends inside the run: its
 * calls are listed between those of its parent, and an engine keeps one context of a program.
 */
export const agentcgroupParser = (): TraceParser => ({
  take: (line, lineNumber) => toProgram(Fields.ofJson(line, lineNumber)),
  finish: () => [],
});

const toProgram = (run: Fields): readonly RecordedProgram[] => {
  const group = run.text('group');
  const builder = new ProgramBuilder(run.text('id'), group);
  const outputField = hasTrueUsage(group) ? 'out_usage' : 'out_est';
  let subAgentUntilSeconds: number | null = null;
  let taskUntilSeconds = -Infinity;
  let pendingTool: string | undefined;
  for (const call of run.objects('calls')) {
    const startedAtSeconds = call.number('t');
    if (builder.turns > 0 && call.has('gap_s')) builder.gap(call.seconds('gap_s'), pendingTool);
    const begins = builder.turns > 0 && call.text('trigger') === 'user' && startedAtSeconds < taskUntilSeconds;
    const ends = subAgentUntilSeconds !== null && startedAtSeconds >= subAgentUntilSeconds;
    if (begins) subAgentUntilSeconds = taskUntilSeconds;
    else if (ends) subAgentUntilSeconds = null;
    builder.call({
      promptTokens: call.tokens('in'),
      sharedTokens: begins || ends ? 0 : builder.contextTokens,
      outputTokens: outputTokens(call, outputField),
    });
    const tools = call.has('tools') ? call.objects('tools') : [];
    pendingTool = toolName(tools[0]);
    for (const tool of tools) {
      if (tool.text('n') !== 'Task') continue;
      taskUntilSeconds = startedAtSeconds + call.seconds('llm_s') + tool.seconds('d');
    }
  }
  return builder.turns === 0 ? [] : [builder.build()];
};

/** The usage where the server reported it, else the estimate from the text. */
const outputTokens = (call: Fields, field: string): number => {
  const count = call.tokens(field);
  return count > 0 ? count : call.tokens('out_est');
};

/** The first tool of a call, with its command class: what is known when the call ends. */
const toolName = (tool: Fields | undefined): string | undefined => {
  if (tool === undefined) return undefined;
  const name = tool.text('n');
  return tool.has('c') ? `${name}:${tool.text('c')}` : name;
};
