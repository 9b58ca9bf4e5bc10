import type { RecordedProgram } from '../lab/workload.js';
import { Fields } from './fields.js';
import { ProgramBuilder } from './program-builder.js';
import { TraceError } from './trace-error.js';
import type { TraceParser } from './trace-parser.js';

/** Characters of a token, about. */
const CHARACTERS_PER_TOKEN = 4;

const toTokens = (characters: number): number => Math.round(characters / CHARACTERS_PER_TOKEN);

/**
 * Sessions as numbers: characters in, out, and shared with the call before. Time stamps mark calls, and model time is not
 * told apart from tool time: the whole time between two calls counts as the gap, an upper bound.
 */
export const lmcacheNumericParser = (): TraceParser => ({
  take: (line, lineNumber) => numericProgram(Fields.ofJson(line, lineNumber)),
  finish: () => [],
});

const numericProgram = (session: Fields): readonly RecordedProgram[] => {
  const builder = new ProgramBuilder(session.text('id'), session.text('set'));
  let calledAtSeconds = 0;
  for (const call of session.objects('calls')) {
    const atSeconds = call.seconds('t');
    if (builder.turns > 0) builder.gap(Math.max(0, atSeconds - calledAtSeconds), 'tool');
    calledAtSeconds = atSeconds;
    builder.call({
      promptTokens: toTokens(call.tokens('in_chars')),
      sharedTokens: toTokens(call.tokens('common_prefix_chars')),
      outputTokens: toTokens(call.tokens('out_chars')),
    });
  }
  return builder.turns === 0 ? [] : [builder.build()];
};

interface RawCall {
  readonly atMicros: number;
  readonly input: string;
  readonly output: string;
}

/** Sessions as text: a session's lines follow each other, in any order of time. Gaps as in the numeric form. */
export const lmcacheRawParser = (): TraceParser => new RawParser();

class RawParser implements TraceParser {
  #sessionId: string | null = null;
  #calls: RawCall[] = [];

  take(line: string, lineNumber: number): readonly RecordedProgram[] {
    const record = Fields.ofJson(line, lineNumber);
    const sessionId = record.text('session_id');
    const call = {
      atMicros: record.number('timestamp'),
      input: record.anyText('input'),
      output: record.anyText('output'),
    };
    if (call.input === '' && call.output === '')
      throw new TraceError(lineNumber, 'input', 'is empty, as is the output');
    const complete = this.#sessionId === null || this.#sessionId === sessionId ? [] : this.finish();
    this.#sessionId = sessionId;
    this.#calls.push(call);
    return complete;
  }

  finish(): readonly RecordedProgram[] {
    if (this.#sessionId === null) return [];
    const builder = new ProgramBuilder(this.#sessionId, 'session');
    let before: RawCall | null = null;
    for (const call of this.#calls.sort((a, b) => a.atMicros - b.atMicros)) {
      if (before === null) builder.arrived(call.atMicros / 1e6);
      else builder.gap((call.atMicros - before.atMicros) / 1e6, 'tool');
      const shared = before === null ? 0 : commonPrefix(before.input + before.output, call.input);
      builder.call({
        promptTokens: toTokens(call.input.length),
        sharedTokens: toTokens(shared),
        outputTokens: toTokens(call.output.length),
      });
      before = call;
    }
    this.#sessionId = null;
    this.#calls = [];
    return [builder.build()];
  }
}

const commonPrefix = (a: string, b: string): number => {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
};
