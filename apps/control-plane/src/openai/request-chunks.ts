/** Chunks of retrieved text beside the messages: the one extension of requests, a body member `holdfast`. */
import type { program as wire } from '@holdfast/contracts';
import { z } from 'zod';
import { plainText } from '../programs/plain-text.js';

const chunk = z.strictObject(
  {
    id: plainText(1, 256),
    text: z.string('a text').min(1, 'a text'),
    source: plainText(1, 256),
    source_version: plainText(0, 128).nullish(),
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
