import type { ProgramId } from '../model/ids.js';
import { hazardBinOf, HAZARD_BINS } from '../statistics/hazards.js';

/** Calls of one tool that are remembered of a program. */
const RECENT_CALLS = 8;
/** Tools of a program that are remembered. */
const MOST_TOOLS = 16;
/** Calls of a program's own that everybody's outweigh. */
const PARENT_CALLS = 4;
/** As in ToolDurations. */
const LEAST_PARENT_SHARE = 0.3;

/** What each live program's own last calls took: its repository's test suite takes what it took before. */
export class ProgramDurations {
  readonly #programs = new Map<ProgramId, Map<string, number[]>>();

  /** Modifies state. */
  add(programId: ProgramId, tool: string, seconds: number): void {
    let tools = this.#programs.get(programId);
    if (tools === undefined) this.#programs.set(programId, (tools = new Map<string, number[]>()));
    let bins = tools.get(tool);
    if (bins === undefined) {
      const oldest = tools.keys().next();
      if (tools.size >= MOST_TOOLS && oldest.done !== true) tools.delete(oldest.value);
      tools.set(tool, (bins = []));
    }
    bins.push(hazardBinOf(seconds));
    if (bins.length > RECENT_CALLS) bins.shift();
  }

  /** Modifies `hazards`: moves them towards what the program's own calls say. */
  sharpen(hazards: Float64Array, programId: ProgramId, tool: string): void {
    const bins = this.#programs.get(programId)?.get(tool);
    if (bins === undefined) return;
    const ended = new Float64Array(HAZARD_BINS);
    for (const bin of bins) ended[bin]! += 1;
    let [survival, reached] = [1, bins.length];
    for (let bin = 0; bin < HAZARD_BINS; bin += 1) {
      const weight = PARENT_CALLS * Math.max(survival, LEAST_PARENT_SHARE);
      const parent = hazards[bin]!;
      survival *= 1 - parent;
      if (reached + weight > 0) hazards[bin] = (ended[bin]! + weight * parent) / (reached + weight);
      reached -= ended[bin]!;
    }
  }

  /** Modifies state. */
  forget(programId: ProgramId): void {
    this.#programs.delete(programId);
  }
}
