import type { Variant, VariantId } from '../store/variant.js';
import type { EvictionPolicy, VariantUse } from './eviction-policy.js';

/** 1 / CFO has no bound; below this share every use counts alike. */
const LEAST_SHARE = 0.05;

/** Parameters of Cache-Craft's score. */
export interface CacheCraftScoreOptions {
  readonly name: string;
  /** References after which a use counts half; Infinity never ages, as reported of the paper. */
  readonly halfLifeReferences: number;
}

/** Cache-Craft's reported score: each use adds 1 / CFO, so what is used often and cheaply stays (arXiv 2502.15734). */
export class CacheCraftEviction implements EvictionPolicy {
  readonly name: string;
  readonly #scores = new Map<VariantId, { score: number; tick: number }>();
  readonly #halfLife: number;

  constructor({ name, halfLifeReferences }: CacheCraftScoreOptions) {
    this.name = name;
    this.#halfLife = halfLifeReferences;
  }

  onReference(): void {
    // Only uses count.
  }

  onUse({ variant, recomputeShare, tick }: VariantUse): void {
    const score = this.worth(variant, tick) + 1 / Math.max(recomputeShare, LEAST_SHARE);
    this.#scores.set(variant.id, { score, tick });
  }

  onStored(variant: Variant, tick: number): void {
    this.#scores.set(variant.id, { score: 1, tick });
  }

  onRemoved(variant: Variant): void {
    this.#scores.delete(variant.id);
  }

  worth(variant: Variant, tick: number): number {
    const entry = this.#scores.get(variant.id);
    if (entry === undefined) return 0;
    return entry.score * 2 ** ((entry.tick - tick) / this.#halfLife);
  }
}
