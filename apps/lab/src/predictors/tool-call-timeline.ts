import { parsePolicy, type Duration, type DurationKey, type Instant } from '@holdfast/scheduling';
import { createPool, infinitePinSpec, planArrivals, simulate, type RecordedProgram } from '@holdfast/simulation';
import type { PoolChoice } from '../cells/job.js';
import { DISPATCH_WINDOW, poolOptions } from '../cells/pool-options.js';
import { runJob } from '../cells/run-job.js';

/** A gap between two turns of a program: a tool that runs, or a person who thinks. */
export interface ToolCall {
  readonly key: DurationKey;
  readonly startedAt: Instant;
  readonly length: Duration;
}

/** Calls of programs that share a machine, and when those programs end. */
export interface ToolCallTimeline {
  readonly calls: readonly ToolCall[];
  readonly ends: readonly { readonly programId: string; readonly at: Instant }[];
}

export interface TimelineOptions {
  readonly programs: readonly RecordedProgram[];
  readonly pool: PoolChoice;
  readonly load: number;
  readonly seed: number;
}

/**
 * Pure. When the tool calls of a trace begin and end, if its programs run under infinite pins at this load: recorded
 * durations, between turns that take simulated time. So a predictor is asked while the calls of other programs run.
 */
export const toolCallTimeline = ({ programs, pool, load, seed }: TimelineOptions): ToolCallTimeline => {
  const unit = runJob(
    { kind: 'load-unit', trace: '', pool, programs: programs.length },
    new Map([['', programs]]),
    () => undefined,
  );
  if (unit.kind !== 'load-unit') throw new Error(`a load-unit job gave a ${unit.kind}`);
  const ratePerSecond = load * unit.programsPerSecond;
  const arrivals = planArrivals({ programs, count: programs.length, ratePerSecond, seed });
  const programOf = new Map(arrivals.map(({ program }) => [program.programId, program]));
  const calls: ToolCall[] = [];
  const ends: { programId: string; at: Instant }[] = [];
  simulate({
    profile: parsePolicy(infinitePinSpec()),
    engines: createPool(poolOptions(pool)),
    arrivals,
    dispatchWindow: DISPATCH_WINDOW,
    observer: {
      turnFinished: ({ programId, index, finishedAt }) => {
        const { programClass, turns } = programOf.get(programId)!;
        if (index === turns.length - 1) return;
        const { tool = '', gap } = turns[index]!;
        const key = { tenantId: 'lab', programClass, programId, tool };
        calls.push({ key, startedAt: finishedAt, length: gap });
      },
      programFinished: ({ programId, finishedAt }) => ends.push({ programId, at: finishedAt }),
    },
  });
  return { calls, ends };
};
