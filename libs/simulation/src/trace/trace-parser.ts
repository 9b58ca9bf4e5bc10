import type { RecordedProgram } from '../lab/workload.js';

/** Reads one format, line by line. */
export interface TraceParser {
  /** Modifies state. Takes the next line, never an empty one; returns the programs that it completes. */
  take(line: string, lineNumber: number): readonly RecordedProgram[];
  /** Modifies state. The trace is over; returns what was still open. */
  finish(): readonly RecordedProgram[];
}

/** Formats that `TraceReader` knows. */
export type TraceFormat =
  | 'holdfast'
  | 'weka'
  | 'agentcgroup'
  | 'lmcache-raw'
  | 'lmcache-numeric'
  | 'mooncake'
  | 'azure'
  | 'ragpulse'
  | 'tracelab';
