import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ToolDurations, type Duration } from '@holdfast/scheduling';
import type { PoolChoice } from '../cells/job.js';
import { writeWhole } from '../output/write-files.js';
import type { Contender } from '../predictors/contender.js';
import { continuumCdf } from '../predictors/empirical-cdf.js';
import { kernelPredictor } from '../predictors/kernel-predictor.js';
import { runningMedian } from '../predictors/running-median.js';
import { scoreContenders } from '../predictors/score-contenders.js';
import { scoresTables } from '../predictors/scores-table.js';
import { summariseScores, type ScoreGroup } from '../predictors/summarise-scores.js';
import { toolCallTimeline } from '../predictors/tool-call-timeline.js';
import { loadTrace, type ProgramSelection, type TraceArgument } from '../trace-files/load-trace.js';
import type { CommandIo } from './compare.js';

export interface PredictorsSettings {
  readonly traces: readonly TraceArgument[];
  readonly pool: PoolChoice;
  readonly load: number;
  readonly seed: number;
  readonly gapCap: Duration;
  readonly maxContextTokens: number;
  readonly select: ProgramSelection;
  /** Forecasts are also asked for of calls that have run so long; 0 is the start. */
  readonly elapsedSeconds: readonly number[];
  /** Tools with a table of their own. */
  readonly tools: number;
  /** Folder for `predictors.json`; null writes none. */
  readonly out: string | null;
}

/** What came out of one trace. */
export interface PredictorsResult {
  readonly trace: string;
  readonly calls: number;
  /** Calls before every contender had something to say; nobody is scored on them. */
  readonly warmUpCalls: number;
  readonly groups: readonly ScoreGroup[];
}

/** The kernel's own first: the others are told by their distance to it. */
const contenders = (): readonly Contender[] => [
  kernelPredictor('holdfast', new ToolDurations(), { hearsOfRunningCalls: false }),
  kernelPredictor('holdfast, censored', new ToolDurations(), { hearsOfRunningCalls: true }),
  continuumCdf(),
  runningMedian('all'),
  runningMedian('tool'),
  runningMedian('command class'),
  runningMedian('program'),
];

/** Scores predictors of tool durations on traces, in order of time. */
export const predictors = async (
  settings: PredictorsSettings,
  { output }: Pick<CommandIo, 'output'>,
): Promise<readonly PredictorsResult[]> => {
  const { out, pool, load, seed, elapsedSeconds, tools } = settings;
  const traces = [];
  for (const argument of settings.traces) traces.push(await loadTrace(argument, settings));
  const results = traces.map(({ name, programs }) => {
    const timeline = toolCallTimeline({ programs, pool, load, seed });
    const scores = scoreContenders(timeline, contenders(), elapsedSeconds);
    const { warmUpCalls } = scores;
    return { trace: name, calls: timeline.calls.length, warmUpCalls, groups: summariseScores(scores, tools) };
  });
  for (const { trace, calls, warmUpCalls, groups } of results) {
    output.write(
      `${trace}: ${calls} calls in order of time, load ${load} on ${pool.engines} x ${pool.engine}, seed ${seed}; ` +
        `the first ${warmUpCalls} are warm-up\n\n${scoresTables(groups)}\n\n`,
    );
  }
  if (out !== null) {
    mkdirSync(out, { recursive: true });
    const document = { schema: 'holdfast.lab.predictors/v1', load, seed, pool, rows: results };
    writeWhole(join(out, 'predictors.json'), `${JSON.stringify(document, null, 2)}\n`);
    output.write(`Written: ${join(out, 'predictors.json')}\n`);
  }
  return results;
};
