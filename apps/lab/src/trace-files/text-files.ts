import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { openBytes, peek, type ByteChunks } from './open-bytes.js';
import { TraceFileError } from './trace-file-error.js';

/** A file, or a file inside an archive. */
export interface TextFile {
  /** For messages: `traces.tar.gz(session.jsonl)`. */
  readonly name: string;
  readonly bytes: ByteChunks;
}

const TAR_MAGIC_AT = 257;
const TAR_MAGIC = 'ustar';
const TAR_BLOCK_BYTES = 512;

/** The text files behind a path: itself, or the `.jsonl` and `.csv` files of a tar archive. Read each before the next. */
export const textFiles = async function* (file: string): AsyncGenerator<TextFile> {
  const [head, bytes] = await peek(openBytes(file), TAR_BLOCK_BYTES);
  const magic = head.toString('latin1', TAR_MAGIC_AT, TAR_MAGIC_AT + TAR_MAGIC.length);
  if (magic === TAR_MAGIC) yield* archiveFiles(file, bytes);
  else yield { name: file, bytes };
};

const archiveFiles = async function* (file: string, bytes: ByteChunks): AsyncGenerator<TextFile> {
  const extract = tar.extract();
  const feeding = pipeline(Readable.from(bytes), extract);
  // It is awaited below; until then a failure must not count as unhandled.
  feeding.catch(() => undefined);
  let files = 0;
  for await (const entry of extract) {
    const { name, type } = entry.header;
    if (type === 'file' && /\.(jsonl|csv)$/.test(name)) {
      files += 1;
      yield { name: `${file}(${name})`, bytes: entry as ByteChunks };
    }
    entry.resume();
  }
  await feeding;
  if (files === 0) throw new TraceFileError(file, 'is an archive without .jsonl or .csv files');
};
