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
  const subAgents = new SubAgents();
  let tool: string | undefined;
  for (const call of run.objects('calls')) {
    if (builder.turns > 0 && call.has('gap_s')) builder.gap(call.seconds('gap_s'), tool);
    const tools = call.has('tools') ? call.objects('tools') : [];
    const changesContext = subAgents.take(call, tools);
    builder.call({
      promptTokens: call.tokens('in'),
      sharedTokens: changesContext ? 0 : builder.contextTokens,
      outputTokens: outputTokens(call, outputField),
    });
    tool = toolName(tools[0]);
  }
  return builder.turns === 0 ? [] : [builder.build()];
};

/** Whose context a call has: that of the run, or of a sub-agent while the `Task` tool runs. */
class SubAgents {
  #taskUntilSeconds = -Infinity;
  #subAgentUntilSeconds: number | null = null;

  /** Modifies state. True when the call has another context than the one before. */
  take(call: Fields, tools: readonly Fields[]): boolean {
    const startedAtSeconds = call.number('t');
    const begins = call.text('trigger') === 'user' && startedAtSeconds < this.#taskUntilSeconds;
    const ends = this.#subAgentUntilSeconds !== null && startedAtSeconds >= this.#subAgentUntilSeconds;
    if (begins) this.#subAgentUntilSeconds = this.#taskUntilSeconds;
    else if (ends) this.#subAgentUntilSeconds = null;
    for (const tool of tools) {
      if (tool.text('n') !== 'Task') continue;
      this.#taskUntilSeconds = startedAtSeconds + call.seconds('llm_s') + tool.seconds('d');
    }
    return begins || ends;
  }
}

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
