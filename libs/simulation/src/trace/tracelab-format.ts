import type { RecordedProgram } from '../lab/workload.js';
import { csvCells, csvRow } from './csv-row.js';
import { ProgramBuilder } from './program-builder.js';
import type { TraceParser } from './trace-parser.js';

/** Columns of TraceLab's replay format. */
export const TRACELAB_COLUMNS: readonly string[] = [
  'session_id',
  'arrival_time',
  'round_idx',
  'prefix_len',
  'input_len',
  'output_len',
  'tool_wait_after_ms',
];

/** Rounds of sessions, those of one session in order. */
export const tracelabParser = (headerLine: string): TraceParser => new TracelabParser(csvCells(headerLine));

class TracelabParser implements TraceParser {
  readonly #sessions = new Map<string, ProgramBuilder>();

  constructor(private readonly header: readonly string[]) {}

  take(line: string, lineNumber: number): readonly RecordedProgram[] {
    const row = csvRow(this.header, line, lineNumber);
    const sessionId = row.text('session_id');
    const builder = this.#sessions.get(sessionId) ?? new ProgramBuilder(sessionId, 'session');
    this.#sessions.set(sessionId, builder);
    if (builder.turns === 0) builder.arrived(row.number('arrival_time') / 1_000);
    const round = row.number('round_idx');
    if (round !== builder.turns) {
      throw row.bad('round_idx', round, `${builder.turns}, the next round of session "${sessionId}"`);
    }
    const prefix = row.tokens('prefix_len');
    builder.call({
      promptTokens: prefix + row.tokens('input_len'),
      sharedTokens: prefix,
      outputTokens: row.tokens('output_len'),
    });
    const waitMs = row.number('tool_wait_after_ms');
    if (waitMs < 0) throw row.bad('tool_wait_after_ms', waitMs, 'a number of milliseconds from 0');
    builder.gap(waitMs / 1_000, 'tool');
    return [];
  }

  finish(): readonly RecordedProgram[] {
    return [...this.#sessions.values()].map((builder) => builder.build());
  }
}
