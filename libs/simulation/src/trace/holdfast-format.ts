import type { RecordedProgram } from '../lab/workload.js';
import { Fields } from './fields.js';
import { ProgramBuilder } from './program-builder.js';
import type { TraceParser } from './trace-parser.js';

/**
 * The own format, docs/lab.md: one JSON object a program, `{"program", "class"?, "arrivalSeconds"?, "turns": [{"prompt",
 * "shared"?, "output", "tool"?, "gapSeconds"?}]}`. Without `shared`, a prompt extends the whole context.
 */
export const holdfastParser = (): TraceParser => ({
  take: (line, lineNumber) => [toProgram(Fields.ofJson(line, lineNumber))],
  finish: () => [],
});

const toProgram = (record: Fields): RecordedProgram => {
  const builder = new ProgramBuilder(record.text('program'), record.has('class') ? record.text('class') : 'program');
  if (record.has('arrivalSeconds')) builder.arrived(record.seconds('arrivalSeconds'));
  const turns = record.objects('turns');
  if (turns.length === 0) throw record.bad('turns', [], 'a list of at least one turn');
  for (const turn of turns) {
    const promptTokens = turn.tokens('prompt');
    const sharedTokens = turn.has('shared') ? turn.tokens('shared') : builder.contextTokens;
    if (turn.has('shared') && sharedTokens > Math.min(builder.contextTokens, promptTokens - 1)) {
      const most = Math.max(0, Math.min(builder.contextTokens, promptTokens - 1));
      throw turn.bad('shared', sharedTokens, `at most ${most}: the context before the turn, and below the prompt`);
    }
    builder.call({ promptTokens, sharedTokens, outputTokens: turn.tokens('output') });
    const tool = turn.has('tool') ? turn.text('tool') : undefined;
    builder.gap(turn.has('gapSeconds') ? turn.seconds('gapSeconds') : 0, tool);
  }
  return builder.build();
};
