import { textDigest } from './digest.js';
import type { Fingerprint } from './fingerprint.js';

/** Digest of everything that stored KV depends on, except what preceded it. */
export type ChunkId = string;

/** Where a chunk is from and for whom: all of it is part of the identity. */
export interface ChunkTraits {
  readonly tenant: string;
  /** A secret or label of the tenant's: two salts share nothing. */
  readonly salt: string;
  readonly source: string;
  /** Changes when the source's text does; older versions are never used again. */
  readonly sourceVersion: string;
  readonly fingerprint: Fingerprint;
  /** {@link tokenDigest} of the chunk's tokens. */
  readonly tokenDigest: string;
}

/** A chunk with its id. */
export interface ChunkIdentity extends ChunkTraits {
  readonly id: ChunkId;
}

/** Pure. Names a chunk by all of its traits. Throws a RangeError when one is empty (the salt may be). */
export const identifyChunk = (traits: ChunkTraits): ChunkIdentity => {
  const { tenant, salt, source, sourceVersion, fingerprint, tokenDigest } = traits;
  for (const [name, value] of Object.entries({ tenant, source, sourceVersion, fingerprint, tokenDigest })) {
    if (value === '') throw new RangeError(`${name} is empty; allowed is a text that names it`);
  }
  const id = textDigest(['chunk/1', tenant, salt, source, sourceVersion, fingerprint, tokenDigest]);
  return { tenant, salt, source, sourceVersion, fingerprint, tokenDigest, id };
};

/** Pure. Whether KV of one may have been computed in sight of the other: same tenant, salt and fingerprint. */
export const mayMeet = (one: ChunkIdentity, other: ChunkIdentity): boolean =>
  one.tenant === other.tenant && one.salt === other.salt && one.fingerprint === other.fingerprint;
