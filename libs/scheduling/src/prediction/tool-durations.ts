import { bestReturnRate, DurationHistogram, shrunk } from '../statistics/duration-histogram.js';

/** Samples of a tool that all tools together outweigh. */
const PARENT_SAMPLES = 10;
/** Tools remembered: clients name them. */
const MOST_TOOLS = 1_000;
/** Horizons below this are not considered, seconds: the first bins are noise. */
const SHORTEST_HORIZON_SECONDS = 0.2;

/**
 * How long tools take: one distribution for each tool, shrunk to that of all. The tool with no name stands for gaps in
 * which nobody reported a tool, people among them.
 */
export class ToolDurations {
  readonly #all = broadGuess();
  readonly #byTool = new Map<string, DurationHistogram>();

  /** Modifies state. */
  add(tool: string, durationSeconds: number): void {
    let own = this.#byTool.get(tool);
    if (own === undefined) {
      const oldest = this.#byTool.keys().next();
      if (this.#byTool.size >= MOST_TOOLS && oldest.done !== true) this.#byTool.delete(oldest.value);
      own = new DurationHistogram();
      this.#byTool.set(tool, own);
    }
    own.add(durationSeconds);
    this.#all.add(durationSeconds);
  }

  /**
   * Pure. Best ratio of return probability to holding time over all horizons, per second, of a call that has run for
   * `elapsedSeconds`: what `bestReturnRate` says. `tool` undefined: not known yet.
   */
  returnRate(tool: string | undefined, elapsedSeconds: number): number {
    const all = shrunk(this.#all, this.#all.weights, 0);
    const own = tool === undefined ? all : shrunk(this.#byTool.get(tool), all, PARENT_SAMPLES);
    return bestReturnRate(own, elapsedSeconds, SHORTEST_HORIZON_SECONDS);
  }
}

/** One call's worth, which a few calls outweigh: half of all tools return within a second, one in ten takes 100 s. */
const broadGuess = (): DurationHistogram => {
  const histogram = new DurationHistogram();
  for (const duration of [0.02, 0.1, 0.3, 0.6, 1, 2, 4, 10, 30, 100]) histogram.add(duration, 0.1);
  return histogram;
};
