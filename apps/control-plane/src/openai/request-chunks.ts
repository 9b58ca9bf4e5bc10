/** Chunks of retrieved text beside the messages: the one extension of requests, a body member `holdfast`. */
import type { program as wire } from '@holdfast/contracts';
import { z } from 'zod';

const text = (min: number, max: number): z.ZodString => {
  const allowed = `${min} to ${max} characters`;
  return z.string(allowed).min(min, allowed).max(max, allowed);
};

const chunk = z.strictObject(
  {
    id: text(1, 256),
    text: z.string('a text').min(1, 'a text'),
    source: text(1, 256),
    source_version: text(0, 128).nullish(),
  },
  'an object of id, text, source and source_version',
);

/** Strict: a misspelled member would silently change what is computed. */
export const holdfastMember = z
  .strictObject(
    { chunks: z.array(chunk, 'a list of chunks').max(256, 'at most 256 chunks').nullish() },
    'an object of chunks',
  )
  .nullish();

/** Pure. */
export const wireChunks = (member: z.output<typeof holdfastMember>): wire.Chunk[] =>
  (member?.chunks ?? []).map(({ source_version: sourceVersion, ...rest }) => ({
    ...rest,
    sourceVersion: sourceVersion ?? '',
  }));
