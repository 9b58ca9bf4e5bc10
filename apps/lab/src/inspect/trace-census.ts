import { toSeconds } from '@holdfast/scheduling';
import type { RecordedProgram } from '@holdfast/simulation';

/** Durations of one tool. */
export interface ToolCensus {
  readonly name: string;
  readonly seconds: number[];
}

/** What is in a trace, as numbers. Grows with turns, not with the size of the file. */
export class TraceCensus {
  programs = 0;
  readonly classes = new Map<string, number>();
  readonly turnsPerProgram: number[] = [];
  readonly promptTokens: number[] = [];
  readonly newTokens: number[] = [];
  readonly outputTokens: number[] = [];
  readonly toolGapSeconds: number[] = [];
  readonly otherGapSeconds: number[] = [];
  readonly tools = new Map<string, ToolCensus>();
  sharedTokens = 0;

  /** Modifies state. */
  take({ programClass, turns }: RecordedProgram): void {
    this.programs += 1;
    this.classes.set(programClass, (this.classes.get(programClass) ?? 0) + 1);
    this.turnsPerProgram.push(turns.length);
    for (const [index, { promptTokens, sharedTokens, outputTokens, gap, tool }] of turns.entries()) {
      this.promptTokens.push(promptTokens);
      this.newTokens.push(promptTokens - sharedTokens);
      this.outputTokens.push(outputTokens);
      this.sharedTokens += sharedTokens;
      if (index === turns.length - 1) continue;
      if (tool === undefined) this.otherGapSeconds.push(toSeconds(gap));
      else this.#takeTool(tool, toSeconds(gap));
    }
  }

  #takeTool(name: string, seconds: number): void {
    this.toolGapSeconds.push(seconds);
    const census = this.tools.get(name) ?? { name, seconds: [] };
    census.seconds.push(seconds);
    this.tools.set(name, census);
  }
}
