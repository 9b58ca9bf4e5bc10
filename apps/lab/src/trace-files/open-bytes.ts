import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TraceFileError } from './trace-file-error.js';

/** Bytes of a stream, in pieces. */
export type ByteChunks = AsyncIterable<Uint8Array>;

/** The bytes of a file, unpacked if it is gzip. Nothing is read before the first piece is asked for. */
export const openBytes = async function* (file: string): AsyncGenerator<Uint8Array> {
  try {
    const isPacked = await isGzip(file);
    const source = createReadStream(file);
    // Errors of either stream come out of the last one, which is read here.
    yield* isPacked ? (pipeline(source, createGunzip(), () => undefined) as ByteChunks) : source;
  } catch (error) {
    throw toFileError(file, error);
  }
};

const isGzip = async (file: string): Promise<boolean> => {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
};

/** The first bytes of a stream, at least so many if there are, and the whole stream again. */
export const peek = async (bytes: ByteChunks, atLeast: number): Promise<readonly [Buffer, ByteChunks]> => {
  const iterator = bytes[Symbol.asyncIterator]();
  const taken: Uint8Array[] = [];
  let length = 0;
  while (length < atLeast) {
    const next = await iterator.next();
    if (next.done === true) break;
    taken.push(next.value);
    length += next.value.length;
  }
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    yield* taken;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  };
  return [Buffer.concat(taken), whole()];
};

const SYSTEM_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a folder; allowed is a file',
  EACCES: 'may not be read',
  Z_BUF_ERROR: 'is a gzip file that ends early: it was cut off',
  Z_DATA_ERROR: 'is a damaged gzip file',
};

const toFileError = (file: string, error: unknown): unknown => {
  const code = (error as { readonly code?: unknown } | null)?.code;
  const problem = typeof code === 'string' ? SYSTEM_PROBLEMS[code] : undefined;
  return problem === undefined ? error : new TraceFileError(file, problem, { cause: error });
};
