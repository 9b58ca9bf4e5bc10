import type { ChunkId } from '../identity/chunk-identity.js';
import type { ShareForm } from '../score/recompute-share.js';
import type { Variant } from '../store/variant.js';
import type { ChunkReference, EvictionPolicy } from './eviction-policy.js';
import { MarginalSavings } from './marginal-savings.js';
import { defaultRateScales, ReferenceRates, type RateScale } from './reference-rates.js';

/** Parameters of the policy. */
export interface ExpectedSavingsOptions {
  readonly name: string;
  /**
   * `work`: what a variant saves over the chunk's others, in contexts like the last ones. `hits`: every use of a chunk
   * counts alike, so only the rate matters.
   */
  readonly objective: 'work' | 'hits';
  /** How savings are counted under `work`. */
  readonly form: ShareForm;
  readonly scales?: readonly RateScale[];
  /** Contexts remembered a chunk. */
  readonly contexts?: number;
  /** Chunks remembered, stored or not. */
  readonly mostChunks?: number;
}

const DEFAULT_CONTEXTS = 16;
const DEFAULT_MOST_CHUNKS = 65_536;

/**
 * Keeps what saves most work a byte: the expected rate of a chunk's references times what the variant saves in them over
 * the chunk's other variants. So several variants of a popular chunk stay where memory allows, one where it does not.
 */
export class ExpectedSavingsEviction implements EvictionPolicy {
  readonly name: string;
  readonly #rates: ReferenceRates;
  /** Of stored chunks and of those asked for most recently, in that order. */
  readonly #savings = new Map<ChunkId, MarginalSavings>();
  readonly #contexts: number;
  readonly #mostChunks: number;

  constructor(private readonly options: ExpectedSavingsOptions) {
    this.name = options.name;
    this.#contexts = options.contexts ?? DEFAULT_CONTEXTS;
    this.#mostChunks = options.mostChunks ?? DEFAULT_MOST_CHUNKS;
    this.#rates = new ReferenceRates(options.scales ?? defaultRateScales, this.#mostChunks);
  }

  onReference({ chunk, preceding, tick }: ChunkReference): void {
    this.#rates.count(chunk, tick);
    if (this.options.objective === 'hits') return;
    const savings = this.#savingsOf(chunk);
    this.#savings.delete(chunk);
    this.#savings.set(chunk, savings);
    savings.addContext(preceding);
    if (this.#savings.size > this.#mostChunks) this.#forgetOldest();
  }

  onUse(): void {
    // The reference has counted already.
  }

  onStored(variant: Variant): void {
    if (this.options.objective === 'work') this.#savingsOf(variant.chunk.id).addVariant(variant);
  }

  onRemoved(variant: Variant): void {
    this.#savings.get(variant.chunk.id)?.removeVariant(variant.id);
  }

  worth(variant: Variant): number {
    const saved =
      this.options.objective === 'hits' ? 1 : (this.#savings.get(variant.chunk.id)?.savedShare(variant.id) ?? 0);
    return (this.#rates.rate(variant.chunk.id) * saved * variant.lengthTokens) / variant.sizeBytes;
  }

  #savingsOf(chunk: ChunkId): MarginalSavings {
    const known = this.#savings.get(chunk);
    if (known !== undefined) return known;
    const fresh = new MarginalSavings(this.options.form, this.#contexts);
    this.#savings.set(chunk, fresh);
    return fresh;
  }

  /** The store removes its variants by itself; what it holds is never forgotten. */
  #forgetOldest(): void {
    for (const [chunk, savings] of this.#savings) {
      if (savings.variantCount > 0) continue;
      this.#savings.delete(chunk);
      return;
    }
  }
}
