/**
 * How large does a context get? Programs of one class are alike, but the large ones are still running when the small ones
 * have ended, so a mean over those that ended is too small. Counted is, size by size, how many programs got there and how
 * many ended there (Kaplan and Meier's estimate, on bins): a program that still runs counts as far as it has come.
 */

import { savedAmount, savedAmounts, savedEntries, type Saved } from '../statistics/saved.js';

/** Contexts below this are not told apart, tokens. */
const FIRST_EDGE_TOKENS = 256;
/** Bins a factor of 2^(1/2) apart; the last one begins at 4 M tokens. */
const BINS = 30;
/** A program that has come this far is expected to go as far again with probability 1/2, while nothing is known. */
const PRIOR_HAZARD = 1 - Math.SQRT1_2;
/** Programs that the prior outweighs, at every size. */
const PRIOR_PROGRAMS = 2;
/** Programs of a class that all programs together outweigh, at every size. */
const PARENT_PROGRAMS = 10;
/** Weights are halved each time so many programs have ended: what is older than a few hundred hardly counts. */
const HALF_LIFE_PROGRAMS = 500;

/** Classes remembered: clients name them. */
const MOST_CLASSES = 1_000;

/** Pure. */
const edgeAbove = (bin: number): number => FIRST_EDGE_TOKENS * Math.SQRT2 ** bin;

/** Pure. */
const binOf = (tokens: number): number =>
  Math.max(0, Math.min(BINS - 1, Math.ceil(2 * Math.log2(Math.max(1, tokens) / FIRST_EDGE_TOKENS))));

/** What is known of one class. */
interface Growth {
  /** Programs that were in the bin or beyond it, having been before or begun in it. */
  readonly reached: Float64Array;
  readonly ended: Float64Array;
}

const nothingKnown = (): Growth => ({ reached: new Float64Array(BINS), ended: new Float64Array(BINS) });

const savedGrowth = ({ reached, ended }: Growth): Saved => ({ reached: [...reached], ended: [...ended] });

const readGrowth = (saved: unknown): Growth | undefined => {
  const { reached, ended } = (saved ?? {}) as { readonly reached?: unknown; readonly ended?: unknown };
  const reachedBins = savedAmounts(reached, BINS);
  const endedBins = savedAmounts(ended, BINS);
  if (reachedBins === undefined || endedBins === undefined) return undefined;
  return { reached: Float64Array.from(reachedBins), ended: Float64Array.from(endedBins) };
};

/** Learns from programs that grow and end; forecasts final contexts. */
export class GrowthForecast {
  #all = nothingKnown();
  #byClass = new Map<string, Growth>();
  #endedSinceHalving = 0;

  /** Modifies state. The context of a program grew. `fromTokens` null: it is the program's first. */
  grew(programClass: string, fromTokens: number | null, toTokens: number): void {
    const to = binOf(toTokens);
    const from = fromTokens === null ? to : binOf(fromTokens) + 1;
    const own = this.#ofClass(programClass);
    for (let bin = from; bin <= to; bin += 1) {
      this.#all.reached[bin]! += 1;
      own.reached[bin]! += 1;
    }
  }

  /** Modifies state. A program ended with this context. */
  ended(programClass: string, tokens: number): void {
    const bin = binOf(tokens);
    this.#all.ended[bin]! += 1;
    this.#ofClass(programClass).ended[bin]! += 1;
    this.#endedSinceHalving += 1;
    if (this.#endedSinceHalving < HALF_LIFE_PROGRAMS) return;
    this.#endedSinceHalving = 0;
    for (const { reached, ended } of [this.#all, ...this.#byClass.values()]) {
      for (let index = 0; index < BINS; index += 1) {
        reached[index]! /= 2;
        ended[index]! /= 2;
      }
    }
  }

  /**
   * Pure. Expected final context of a program that has this one now, tokens. Contexts beyond `capTokens` count as that:
   * no engine holds more.
   */
  expectedFinal(programClass: string, contextTokens: number, capTokens: number): number {
    const own = this.#byClass.get(programClass);
    let survival = 1;
    let expected = contextTokens;
    let at = contextTokens;
    for (let bin = binOf(contextTokens); bin < BINS && at < capTokens && survival > 0.01; bin += 1) {
      const upper = Math.min(capTokens, edgeAbove(bin));
      const lower = bin === 0 ? 0 : edgeAbove(bin - 1);
      const share = Math.min(1, Math.max(0, (upper - at) / (edgeAbove(bin) - lower)));
      const hazard = share * this.#hazard(own, bin);
      expected += survival * (upper - at) * (1 - hazard / 2);
      survival *= 1 - hazard;
      at = Math.max(at, upper);
    }
    return expected;
  }

  /** Pure. */
  save(): Saved {
    return {
      all: savedGrowth(this.#all),
      byClass: [...this.#byClass].map(([programClass, growth]) => [programClass, savedGrowth(growth)]),
      endedSinceHalving: this.#endedSinceHalving,
    };
  }

  /** Modifies state, if `saved` is what `save` gave. */
  load(saved: unknown): void {
    const parts = (saved ?? {}) as Readonly<Record<'all' | 'byClass' | 'endedSinceHalving', unknown>>;
    const all = readGrowth(parts.all);
    const byClass = savedEntries(parts.byClass, readGrowth);
    const endedSinceHalving = savedAmount(parts.endedSinceHalving);
    if (all === undefined || byClass === undefined || endedSinceHalving === undefined) return;
    this.#all = all;
    this.#byClass = new Map(byClass.slice(-MOST_CLASSES));
    this.#endedSinceHalving = endedSinceHalving;
  }

  #hazard(own: Growth | undefined, bin: number): number {
    const { reached, ended } = this.#all;
    const parent = (ended[bin]! + PRIOR_PROGRAMS * PRIOR_HAZARD) / (reached[bin]! + PRIOR_PROGRAMS);
    if (own === undefined) return Math.min(1, parent);
    return Math.min(1, (own.ended[bin]! + PARENT_PROGRAMS * parent) / (own.reached[bin]! + PARENT_PROGRAMS));
  }

  #ofClass(programClass: string): Growth {
    let growth = this.#byClass.get(programClass);
    if (growth === undefined) {
      const oldest = this.#byClass.keys().next();
      if (this.#byClass.size >= MOST_CLASSES && oldest.done !== true) this.#byClass.delete(oldest.value);
      growth = nothingKnown();
      this.#byClass.set(programClass, growth);
    }
    return growth;
  }
}
