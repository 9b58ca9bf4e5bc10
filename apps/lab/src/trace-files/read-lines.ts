import { TextDecoder } from 'node:util';
import { TraceFileError } from './trace-file-error.js';
import type { ByteChunks } from './open-bytes.js';

/** Longest line taken: a whole session as text is well below. */
const LONGEST_LINE_CHARACTERS = 256 * 1024 * 1024;

/** Lines of a stream of UTF-8 text, without their ends. Binary data ends in an error. */
export const readLines = async function* (file: string, bytes: ByteChunks): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let pieces: string[] = [];
  let pending = 0;
  for await (const chunk of bytes) {
    const parts = decode(file, decoder, chunk).split('\n');
    for (const [index, part] of parts.entries()) {
      pieces.push(part);
      pending += part.length;
      if (pending > LONGEST_LINE_CHARACTERS) throw new TraceFileError(file, 'has a line of over 256 MiB');
      if (index === parts.length - 1) break;
      yield withoutReturn(pieces.join(''));
      pieces = [];
      pending = 0;
    }
  }
  const last = pieces.join('') + decode(file, decoder);
  if (last !== '') yield withoutReturn(last);
};

const decode = (file: string, decoder: TextDecoder, chunk?: Uint8Array): string => {
  if (chunk?.includes(0) === true) throw new TraceFileError(file, 'is binary; allowed is text, plain or gzip');
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (error) {
    throw new TraceFileError(file, 'is not UTF-8 text', { cause: error });
  }
};

const withoutReturn = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line);
