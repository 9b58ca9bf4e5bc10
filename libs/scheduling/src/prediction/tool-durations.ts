import type { ProgramId } from '../model/ids.js';
import { Hazards, HAZARD_BINS } from '../statistics/hazards.js';
import { savedEntries, type Saved } from '../statistics/saved.js';
import { BinForecast } from './bin-forecast.js';
import type { DurationKey, DurationNews, DurationPredictor } from './duration-predictor.js';
import { ProgramDurations } from './program-durations.js';

/** Calls of a population that its parent outweighs. */
const PARENT_CALLS = 10;
/** However few calls the parent expects to last so long, it weighs this share: one or two long calls prove no rule. */
const LEAST_PARENT_SHARE = 0.3;
/** Earlier calls of a population count half after so many. */
const HALF_LIFE_CALLS = 500;
/** Populations remembered: clients name tools and classes. */
const MOST_POPULATIONS = 2_000;

/**
 * How long tools take, by tool, command class, program class and program. Each population is shrunk to the next larger
 * one, bin by bin: `h = (ended + kappa * S * h_parent) / (reached + kappa * S)` with S the parent's survival, at least 0.3,
 * so that a population without calls is its parent, and one that hardly saw a long call has its parent's tail.
 *
 * all tools > tool > tool and command class > these of one tenant and program class > these of one program.
 */
export class ToolDurations implements DurationPredictor {
  #all = broadGuess();
  #populations = new Map<string, Hazards>();
  readonly #programs = new ProgramDurations();

  observe(key: DurationKey, { fromSeconds, toSeconds, isOver }: DurationNews): void {
    this.#all.add(fromSeconds, toSeconds, isOver);
    for (const name of populationsOf(key)) this.#population(name).add(fromSeconds, toSeconds, isOver);
    if (isOver) this.#programs.add(key.programId, key.tool, toSeconds);
  }

  /** Pure. What to expect of a call whose tool is not known yet. */
  predictAny(): BinForecast {
    const hazards = this.#blend([]);
    return new BinForecast((bin) => hazards[bin]!, 0, Infinity);
  }

  predict(key: DurationKey, elapsedSeconds: number, timeoutSeconds = Infinity): BinForecast {
    const levels = populationsOf(key).flatMap((name) => this.#populations.get(name) ?? []);
    const hazards = this.#blend(levels);
    this.#programs.sharpen(hazards, key.programId, key.tool);
    return new BinForecast((bin) => hazards[bin]!, elapsedSeconds, Math.max(elapsedSeconds, timeoutSeconds));
  }

  forget(programId: ProgramId): void {
    this.#programs.forget(programId);
  }

  /** Pure. What is known of programs that are live is not part of it. */
  save(): Saved {
    return { all: this.#all.save(), populations: [...this.#populations].map(([name, own]) => [name, own.save()]) };
  }

  /** Modifies state, if `saved` is what `save` gave. */
  load(saved: unknown): void {
    const parts = (saved ?? {}) as Readonly<Record<'all' | 'populations', unknown>>;
    const all = Hazards.load(parts.all, 10 * HALF_LIFE_CALLS);
    const populations = savedEntries(parts.populations, (own) => Hazards.load(own, HALF_LIFE_CALLS));
    if (all === undefined || populations === undefined) return;
    this.#all = all;
    this.#populations = new Map(populations.slice(-MOST_POPULATIONS));
  }

  /** Pure. Hazards of the last level, each shrunk to the one before. */
  #blend(levels: readonly Hazards[]): Float64Array {
    const hazards = new Float64Array(HAZARD_BINS);
    for (let bin = 0; bin < HAZARD_BINS; bin += 1) {
      const reached = this.#all.reached[bin]!;
      hazards[bin] = reached > 0 ? this.#all.ended[bin]! / reached : 0;
    }
    for (const { reached, ended } of levels) {
      let survival = 1;
      for (let bin = 0; bin < HAZARD_BINS; bin += 1) {
        const weight = PARENT_CALLS * Math.max(survival, LEAST_PARENT_SHARE);
        const parent = hazards[bin]!;
        survival *= 1 - parent;
        if (reached[bin]! + weight > 0) hazards[bin] = (ended[bin]! + weight * parent) / (reached[bin]! + weight);
      }
    }
    return hazards;
  }

  #population(name: string): Hazards {
    let known = this.#populations.get(name);
    if (known === undefined) {
      const oldest = this.#populations.keys().next();
      if (this.#populations.size >= MOST_POPULATIONS && oldest.done !== true) this.#populations.delete(oldest.value);
      known = new Hazards(HALF_LIFE_CALLS);
      this.#populations.set(name, known);
    }
    return known;
  }
}

/** Pure. Names of the populations that a call belongs to, the largest first. */
const populationsOf = ({ tenantId, programClass, tool }: DurationKey): readonly string[] => {
  const colon = tool.indexOf(':');
  const own = `t/${tool}`;
  const ofClass = `c/${JSON.stringify([tenantId, programClass, tool])}`;
  return colon < 0 ? [own, ofClass] : [`t/${tool.slice(0, colon)}`, own, ofClass];
};

/** One call's worth, which a few calls outweigh: half of all tools return within a second, one in ten takes 100 s. */
const broadGuess = (): Hazards => {
  const guess = new Hazards(10 * HALF_LIFE_CALLS);
  const durations = [0.02, 0.1, 0.3, 0.6, 1, 2, 4, 10, 30, 100];
  for (const duration of durations) guess.add(0, duration, true);
  for (let bin = 0; bin < HAZARD_BINS; bin += 1) {
    guess.reached[bin]! /= durations.length;
    guess.ended[bin]! /= durations.length;
  }
  return guess;
};
