import type { RecordedProgram } from '../lab/workload.js';
import { Fields } from './fields.js';
import { ProgramBuilder } from './program-builder.js';
import type { TraceParser } from './trace-parser.js';

/**
 * Sessions of Claude Code, delta-coded: `keep` leading block ids of the request before, then runs of new ones. The kept
 * blocks are the tokens shared with the context. Sub-agents are programs of their own, as they have contexts of their
 * own. The trace names no tools: a gap before a tool result is that of a tool called `tool`.
 */
export const wekaParser = (): TraceParser => ({
  take: (line, lineNumber) => sessionPrograms(Fields.ofJson(line, lineNumber)),
  finish: () => [],
});

const sessionPrograms = (session: Fields): readonly RecordedProgram[] => {
  const id = session.text('id');
  const blockTokens = session.tokens('block_size');
  if (blockTokens === 0) throw session.bad('block_size', 0, 'a whole number of tokens from 1');
  const entries = session.objects('requests');
  const isSubAgent = (entry: Fields): boolean => entry.has('type') && entry.text('type') === 'subagent';
  const own = entries.filter((entry) => !isSubAgent(entry));
  const programs = [toProgram(new ProgramBuilder(id, 'session'), own, blockTokens)];
  for (const [index, entry] of entries.filter(isSubAgent).entries()) {
    const name = entry.has('agent_id') ? entry.text('agent_id') : `agent_${index + 1}`;
    programs.push(toProgram(new ProgramBuilder(`${id}/${name}`, 'subagent'), entry.objects('requests'), blockTokens));
  }
  return programs.filter(({ turns }) => turns.length > 0);
};

const toProgram = (builder: ProgramBuilder, requests: readonly Fields[], blockTokens: number): RecordedProgram => {
  let blocks = 0;
  for (const request of requests) {
    const kept = request.tokens('keep');
    if (kept > blocks) throw request.bad('keep', kept, `at most ${blocks}, the blocks of the request before`);
    if (builder.turns > 0) {
      const isTool = request.has('input_types') && request.texts('input_types').includes('tool_result');
      builder.gap(request.has('think_time') ? request.seconds('think_time') : 0, isTool ? 'tool' : undefined);
    }
    builder.call({
      promptTokens: request.tokens('in'),
      sharedTokens: kept * blockTokens,
      outputTokens: request.tokens('out'),
    });
    blocks = kept + request.runs('new').reduce((sum, [, count]) => sum + count, 0);
  }
  return builder.build();
};
