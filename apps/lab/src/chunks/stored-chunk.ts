import { identifyChunk, variantContext, type ChunkIdentity, type Variant } from '@holdfast/chunk-cache';
import type { PromptPart } from './chunk-trace.js';

/** Gives the chunks of a trace identities and variants, as an application of one tenant would have them. */
export class ChunkNaming {
  readonly #chunks = new Map<string, ChunkIdentity>();
  #variants = 0;

  identityOf({ id }: PromptPart): ChunkIdentity {
    const known = this.#chunks.get(id);
    if (known !== undefined) return known;
    const chunk = identifyChunk({
      tenant: 'trace',
      salt: '',
      source: id,
      sourceVersion: '1',
      fingerprint: 'any',
      tokenDigest: id,
    });
    this.#chunks.set(id, chunk);
    return chunk;
  }

  /**
   * Modifies state. A variant that was computed behind some chunks. Traces have no attention: each chunk before it draws
   * as much as any other, and CCI is 1, so that alpha alone says how much a lost context costs. A byte stands for a token.
   */
  variantOf(part: PromptPart, preceding: readonly ChunkIdentity[], depth: number): Variant {
    const chunk = this.identityOf(part);
    this.#variants += 1;
    const measured = {
      preceding: preceding.filter(({ id }) => id !== chunk.id).map((other) => ({ chunk: other, inter: 1 })),
      intra: 1,
      impact: 1,
      foundation: 'system',
      foundationDigest: 'system',
    } as const;
    return {
      id: `v${this.#variants}`,
      chunk,
      context: variantContext(chunk, measured),
      lengthTokens: part.lengthTokens,
      sizeBytes: Math.max(1, part.lengthTokens),
      depth,
    };
  }
}
