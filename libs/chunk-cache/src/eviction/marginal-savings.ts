import type { ChunkId } from '../identity/chunk-identity.js';
import { recomputeShare, type ShareForm } from '../score/recompute-share.js';
import type { Variant, VariantId } from '../store/variant.js';

/** One context in which a chunk was asked for, and what each of its variants would have cost there. */
interface PastContext {
  readonly preceding: readonly ChunkId[];
  readonly shares: Map<VariantId, number>;
}

/**
 * The variants of one chunk and the contexts that it was lately asked for in. What a variant saves is what the best of the
 * others would have cost more, on average over those contexts: a second copy of the same use is worth nothing, and the
 * last variant is worth all that it saves.
 */
export class MarginalSavings {
  readonly #contexts: PastContext[] = [];
  readonly #variants = new Map<VariantId, { readonly variant: Variant; saved: number }>();

  constructor(
    private readonly form: ShareForm,
    private readonly mostContexts: number,
  ) {}

  get variantCount(): number {
    return this.#variants.size;
  }

  /** Modifies state. */
  addContext(preceding: readonly ChunkId[]): void {
    this.#contexts.push({ preceding, shares: new Map() });
    if (this.#contexts.length > this.mostContexts) this.#contexts.shift();
    this.#update();
  }

  /** Modifies state. */
  addVariant(variant: Variant): void {
    this.#variants.set(variant.id, { variant, saved: 0 });
    this.#update();
  }

  /** Modifies state. */
  removeVariant(variant: VariantId): void {
    this.#variants.delete(variant);
    for (const { shares } of this.#contexts) shares.delete(variant);
    this.#update();
  }

  /** Share of the chunk's tokens that a reference is expected to cost more without the variant. */
  savedShare(variant: VariantId): number {
    return this.#variants.get(variant)?.saved ?? 0;
  }

  #update(): void {
    for (const entry of this.#variants.values()) entry.saved = 0;
    for (const context of this.#contexts) this.#creditBest(context);
    // One more context, unlike any so far: a lone variant would save something there, one of several next to nothing.
    const prior = this.#variants.size === 1 ? LONE_PRIOR : FURTHER_PRIOR;
    const weight = this.#contexts.length + PRIOR_WEIGHT;
    for (const entry of this.#variants.values()) entry.saved = (entry.saved + PRIOR_WEIGHT * prior) / weight;
  }

  #creditBest(context: PastContext): void {
    let best: { saved: number } | null = null;
    let bestShare = 1;
    let secondShare = 1;
    for (const entry of this.#variants.values()) {
      const share = this.#shareIn(context, entry.variant);
      if (share < bestShare) {
        secondShare = bestShare;
        bestShare = share;
        best = entry;
      } else if (share < secondShare) secondShare = share;
    }
    if (best !== null) best.saved += secondShare - bestShare;
  }

  #shareIn({ preceding, shares }: PastContext, variant: Variant): number {
    const known = shares.get(variant.id);
    if (known !== undefined) return known;
    const share = recomputeShare(variant.context, preceding, this.form);
    shares.set(variant.id, share);
    return share;
  }
}

const PRIOR_WEIGHT = 0.5;
const LONE_PRIOR = 0.4;
const FURTHER_PRIOR = 0.05;
