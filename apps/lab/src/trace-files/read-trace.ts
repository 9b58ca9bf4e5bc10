import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ragpulseLength, TraceError, TraceReader, type RecordedProgram, type TraceFormat } from '@holdfast/simulation';
import { openBytes } from './open-bytes.js';
import { readLines } from './read-lines.js';
import { textFiles } from './text-files.js';
import { TraceFileError } from './trace-file-error.js';

/** Reads a trace, program by program; tells its format at the end. Throws a TraceFileError for anything else. */
export const readTrace = async (
  file: string,
  take: (program: RecordedProgram) => void,
): Promise<{ readonly format: TraceFormat }> => {
  const reader = new TraceReader({ ragpulseLengths: await ragpulseLengths(file) });
  let name = file;
  try {
    for await (const text of textFiles(file)) {
      name = text.name;
      let lineNumber = 0;
      for await (const line of readLines(name, text.bytes)) {
        lineNumber += 1;
        for (const program of reader.take(line, lineNumber)) take(program);
      }
    }
    for (const program of reader.finish()) take(program);
  } catch (error) {
    if (error instanceof TraceError) throw new TraceFileError(name, error.message, { cause: error });
    throw error;
  }
  return { format: reader.format! };
};

/** RAGPulse keeps the lengths of prompt components in files beside the trace. */
const LENGTH_FILE = /^[1-5]_(sys_prompt|passages|history|user_input|web_search)\.jsonl(\.gz)?$/;

const ragpulseLengths = async (file: string): Promise<ReadonlyMap<number, number>> => {
  const lengths = new Map<number, number>();
  for (const path of await siblingLengthFiles(file)) {
    let lineNumber = 0;
    for await (const line of readLines(path, openBytes(path))) {
      lineNumber += 1;
      if (line.trim() === '') continue;
      try {
        const [id, tokens] = ragpulseLength(line, lineNumber);
        lengths.set(id, tokens);
      } catch (error) {
        if (error instanceof TraceError) throw new TraceFileError(path, error.message, { cause: error });
        throw error;
      }
    }
  }
  return lengths;
};

const siblingLengthFiles = async (file: string): Promise<readonly string[]> => {
  try {
    const folder = dirname(file);
    return (await readdir(folder)).filter((name) => LENGTH_FILE.test(name)).map((name) => join(folder, name));
  } catch {
    // A folder that cannot be listed holds no lengths; the trace's own error comes when it is opened.
    return [];
  }
};
