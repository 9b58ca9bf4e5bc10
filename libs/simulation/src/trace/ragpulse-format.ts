import type { RecordedProgram } from '../lab/workload.js';
import { Fields } from './fields.js';
import { ProgramBuilder } from './program-builder.js';
import type { TraceParser } from './trace-parser.js';

/** Components of a prompt, in the order in which they are taken to stand. */
const COMPONENTS = ['sys_prompt', 'passages_ids', 'history', 'web_search', 'user_input'] as const;

interface Request {
  readonly atSeconds: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly componentIds: readonly number[];
}

/** Pure. Reads a line of one of the files with lengths: `{"passage_id": 3, "token_length": 84}`. */
export const ragpulseLength = (line: string, lineNumber: number): readonly [id: number, tokens: number] => {
  const record = Fields.ofJson(line, lineNumber);
  const name = ['sys_prompt_id', 'passage_id', 'history_id', 'user_input_id', 'web_search_id'].find((key) =>
    record.has(key),
  );
  if (name === undefined) throw record.bad('passage_id', undefined, 'the id of a component');
  return [record.tokens(name), record.tokens('token_length')];
};

/**
 * Questions to a university's RAG service, in sessions. Two prompts of a session share their leading equal components, as
 * far as their lengths are known; gaps are those between requests, and people ask, so no tool runs.
 *
 * @param lengths - tokens of each component id; without them, prompts share nothing.
 */
export const ragpulseParser = (lengths: ReadonlyMap<number, number>): TraceParser => new RagpulseParser(lengths);

class RagpulseParser implements TraceParser {
  readonly #sessions = new Map<string, Request[]>();

  constructor(private readonly lengths: ReadonlyMap<number, number>) {}

  take(line: string, lineNumber: number): readonly RecordedProgram[] {
    const record = Fields.ofJson(line, lineNumber);
    const sessionId = record.text('session_id');
    const hashIds = record.object('hash_ids');
    const request = {
      atSeconds: record.seconds('timestamp'),
      promptTokens: record.tokens('input_length'),
      outputTokens: record.tokens('output_length'),
      componentIds: COMPONENTS.flatMap((name) => hashIds.ids(name)),
    };
    const requests = this.#sessions.get(sessionId);
    if (requests === undefined) this.#sessions.set(sessionId, [request]);
    else requests.push(request);
    return [];
  }

  finish(): readonly RecordedProgram[] {
    return [...this.#sessions].map(([sessionId, requests]) => {
      const builder = new ProgramBuilder(sessionId, 'rag');
      let before: Request | null = null;
      for (const request of requests.sort((a, b) => a.atSeconds - b.atSeconds)) {
        if (before === null) builder.arrived(request.atSeconds);
        else builder.gap(request.atSeconds - before.atSeconds);
        const sharedTokens = before === null ? 0 : this.#sharedTokens(before, request);
        builder.call({ promptTokens: request.promptTokens, sharedTokens, outputTokens: request.outputTokens });
        before = request;
      }
      return builder.build();
    });
  }

  #sharedTokens(before: Request, request: Request): number {
    let tokens = 0;
    for (const [index, id] of request.componentIds.entries()) {
      const length = this.lengths.get(id);
      if (before.componentIds[index] !== id || length === undefined) break;
      tokens += length;
    }
    return tokens;
  }
}
