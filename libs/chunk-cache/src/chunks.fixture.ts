import { identifyChunk, type ChunkTraits } from './identity/chunk-identity.js';
import { variantContext } from './store/variant-context.js';
import type { Variant } from './store/variant.js';

/** Traits of a chunk whose tokens are told apart by a name. */
export const chunkTraits = (name: string): ChunkTraits => ({
  tenant: 'acme',
  salt: 's',
  source: 'handbook',
  sourceVersion: '1',
  fingerprint: 'f',
  tokenDigest: name,
});

/** A variant of the chunk of some name, computed behind others of one attention each. */
export const variantOf = (name: string, behind = '', size = 10): Variant => {
  const chunk = identifyChunk(chunkTraits(name));
  const preceding = [...behind].map((other) => ({ chunk: identifyChunk(chunkTraits(other)), inter: 1 }));
  const measured = { preceding, intra: 2, impact: 1, foundation: 'system', foundationDigest: 'p' } as const;
  return {
    id: `${name}<${behind}`,
    chunk,
    context: variantContext(chunk, measured),
    lengthTokens: size,
    sizeBytes: size,
    depth: 0,
  };
};
