import type { RecordedProgram } from '../lab/workload.js';
import { agentcgroupParser } from './agentcgroup-format.js';
import { azureParser } from './azure-format.js';
import { detectFormat, KNOWN_FORMATS } from './detect-format.js';
import { holdfastParser } from './holdfast-format.js';
import { lmcacheNumericParser, lmcacheRawParser } from './lmcache-format.js';
import { mooncakeParser } from './mooncake-format.js';
import { ragpulseParser } from './ragpulse-format.js';
import { TraceError } from './trace-error.js';
import type { TraceFormat, TraceParser } from './trace-parser.js';
import { tracelabParser } from './tracelab-format.js';
import { wekaParser } from './weka-format.js';

export interface TraceReaderOptions {
  /** Tokens of RAGPulse's prompt components, which lie in files of their own. */
  readonly ragpulseLengths?: ReadonlyMap<number, number>;
}

/**
 * Reads a trace of any known format, line by line; the first line tells which. Programs come out as they are complete,
 * so nothing but what is open stays in memory.
 */
export class TraceReader {
  #format: TraceFormat | null = null;
  #parser: TraceParser | null = null;
  readonly #programIds = new Set<string>();
  #lineNumber = 0;

  constructor(private readonly options: TraceReaderOptions = {}) {}

  /** Pure. Known after the first line. */
  get format(): TraceFormat | null {
    return this.#format;
  }

  /**
   * Modifies state. Takes a line without its end; empty ones count and say nothing.
   *
   * @param lineNumber - from 1, in its file.
   * @throws TraceError when the line does not fit the format.
   */
  take(line: string, lineNumber: number): readonly RecordedProgram[] {
    this.#lineNumber = lineNumber;
    if (line.trim() === '') return [];
    if (this.#parser !== null) return this.#distinct(this.#parser.take(line, lineNumber));
    const format = detectFormat(line);
    if (format === null) {
      throw new TraceError(lineNumber, '', `is of no known format; allowed are ${KNOWN_FORMATS}`);
    }
    this.#format = format;
    this.#parser = this.#parserOf(format, line);
    const isHeader = format === 'azure' || format === 'tracelab';
    return isHeader ? [] : this.#distinct(this.#parser.take(line, lineNumber));
  }

  /** Modifies state. The trace is over. Throws a TraceError when it had no program. */
  finish(): readonly RecordedProgram[] {
    const programs = this.#distinct(this.#parser?.finish() ?? []);
    if (this.#programIds.size > 0) return programs;
    throw new TraceError(0, '', `has no programs; allowed are ${KNOWN_FORMATS}`);
  }

  #distinct(programs: readonly RecordedProgram[]): readonly RecordedProgram[] {
    for (const { programId } of programs) {
      if (this.#programIds.has(programId)) {
        const field = this.#format === 'holdfast' ? 'program' : 'id';
        throw new TraceError(this.#lineNumber, field, `"${programId}" names a program that was there before`);
      }
      this.#programIds.add(programId);
    }
    return programs;
  }

  #parserOf(format: TraceFormat, firstLine: string): TraceParser {
    switch (format) {
      case 'holdfast':
        return holdfastParser();
      case 'weka':
        return wekaParser();
      case 'agentcgroup':
        return agentcgroupParser();
      case 'lmcache-numeric':
        return lmcacheNumericParser();
      case 'lmcache-raw':
        return lmcacheRawParser();
      case 'mooncake':
        return mooncakeParser();
      case 'azure':
        return azureParser(firstLine);
      case 'tracelab':
        return tracelabParser(firstLine);
      case 'ragpulse':
        return ragpulseParser(this.options.ragpulseLengths ?? new Map());
    }
  }
}
