import type { Variant, VariantId } from '../store/variant.js';
import type { EvictionPolicy, VariantUse } from './eviction-policy.js';

/** Least recently used. */
export class LruEviction implements EvictionPolicy {
  readonly name = 'lru';
  readonly #lastTicks = new Map<VariantId, number>();

  onReference(): void {
    // Only uses count.
  }

  onUse({ variant, tick }: VariantUse): void {
    this.#lastTicks.set(variant.id, tick);
  }

  onStored(variant: Variant, tick: number): void {
    this.#lastTicks.set(variant.id, tick);
  }

  onRemoved(variant: Variant): void {
    this.#lastTicks.delete(variant.id);
  }

  worth(variant: Variant): number {
    return this.#lastTicks.get(variant.id) ?? 0;
  }
}

/** Least frequently used since it was stored. */
export class LfuEviction implements EvictionPolicy {
  readonly name = 'lfu';
  readonly #uses = new Map<VariantId, number>();

  onReference(): void {
    // Only uses count.
  }

  onUse({ variant }: VariantUse): void {
    this.#uses.set(variant.id, (this.#uses.get(variant.id) ?? 0) + 1);
  }

  onStored(variant: Variant): void {
    this.#uses.set(variant.id, 1);
  }

  onRemoved(variant: Variant): void {
    this.#uses.delete(variant.id);
  }

  worth(variant: Variant): number {
    return this.#uses.get(variant.id) ?? 0;
  }
}

/**
 * Greedy dual size frequency (Cherkasova 1998), as RAGCache (arXiv 2404.12457) uses it: clock + frequency * cost / size,
 * where the clock is the worth of what was last removed. Cost is the tokens that a use saves.
 */
export class GdsfEviction implements EvictionPolicy {
  readonly name = 'gdsf';
  readonly #entries = new Map<VariantId, { uses: number; worth: number }>();
  #clock = 0;

  onReference(): void {
    // Only uses count.
  }

  onUse({ variant }: VariantUse): void {
    const uses = (this.#entries.get(variant.id)?.uses ?? 0) + 1;
    const worth = this.#clock + (uses * variant.lengthTokens) / variant.sizeBytes;
    this.#entries.set(variant.id, { uses, worth });
  }

  onStored(variant: Variant, tick: number): void {
    this.onUse({ variant, tick, recomputeShare: 1 });
  }

  onRemoved(variant: Variant): void {
    this.#clock = Math.max(this.#clock, this.worth(variant));
    this.#entries.delete(variant.id);
  }

  worth(variant: Variant): number {
    return this.#entries.get(variant.id)?.worth ?? 0;
  }
}
