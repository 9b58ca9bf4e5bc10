import { createReadStream, createWriteStream, renameSync, writeFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** Writes a file so that a reader sees all of it or none. */
export const writeWhole = (path: string, text: string): void => {
  const partial = `${path}.partial`;
  writeFileSync(partial, text);
  renameSync(partial, path);
};

/** One file out of several, in order. */
export const concatenate = async (paths: readonly string[], to: string): Promise<void> => {
  const partial = `${to}.partial`;
  writeFileSync(partial, '');
  for (const path of paths) await pipeline(createReadStream(path), createWriteStream(partial, { flags: 'a' }));
  renameSync(partial, to);
};
