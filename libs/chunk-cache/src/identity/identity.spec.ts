import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chunkTraits } from '../chunks.fixture.js';
import { variantContext } from '../store/variant-context.js';
import { identifyChunk } from './chunk-identity.js';
import { tokenDigest } from './digest.js';
import { fingerprintOf, type ModelTraits } from './fingerprint.js';
import { sha256Hex } from './sha256.js';

const MODEL: ModelTraits = {
  model: 'm',
  revision: 'r',
  tokenizerDigest: 't',
  dtype: 'bfloat16',
  rope: { type: 'default', theta: 10_000, scaling: { factor: 2 } },
};

describe('identity', () => {
  it('digests bytes as SHA-256 does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(sha256Hex(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
      }),
    );
  });

  it('digests tokens as four bytes each, little endian', () => {
    const bytes = Buffer.from([1, 0, 0, 0, 0, 1, 0, 0]);
    expect(tokenDigest([1, 256])).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(() => tokenDigest([-1])).toThrow('token id 0 is -1');
  });

  it('no two of tenant, salt, source, version, fingerprint and tokens share an id', () => {
    const base = chunkTraits('x');
    const others = (Object.keys(base) as (keyof typeof base)[]).map((name) => ({ ...base, [name]: 'other' }));
    const ids = [base, ...others].map((traits) => identifyChunk(traits).id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('every trait of the model enters the fingerprint', () => {
    const changed: readonly ModelTraits[] = [
      { ...MODEL, model: 'n' },
      { ...MODEL, revision: 's' },
      { ...MODEL, tokenizerDigest: 'u' },
      { ...MODEL, dtype: 'float32' },
      { ...MODEL, rope: { ...MODEL.rope, type: 'yarn' } },
      { ...MODEL, rope: { ...MODEL.rope, theta: 1 } },
      { ...MODEL, rope: { ...MODEL.rope, scaling: { factor: 4 } } },
    ];
    expect(new Set([MODEL, ...changed].map(fingerprintOf)).size).toBe(changed.length + 1);
  });

  it.each(['tenant', 'salt', 'fingerprint'] as const)('no context holds chunks of another %s', (trait) => {
    const chunk = identifyChunk(chunkTraits('x'));
    const other = identifyChunk({ ...chunkTraits('y'), [trait]: 'other' });
    const measured = { intra: 1, impact: 1, foundation: 'system', foundationDigest: 's' } as const;
    expect(() => variantContext(chunk, { ...measured, preceding: [{ chunk: other, inter: 1 }] })).toThrow(
      'allowed are chunks of tenant',
    );
  });
});
