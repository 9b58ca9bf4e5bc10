import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { parsePolicy, seconds, type Instant } from '@holdfast/scheduling';
import {
  backlogThroughput,
  createPool,
  engineProfile,
  infinitePinSpec,
  limitProgram,
  planArrivals,
  planBacklog,
  simulate,
  TraceReader,
  type Arrival,
  type PoolEngine,
  type RecordedProgram,
  type SimulationObserver,
  type SimulationResult,
} from '@holdfast/simulation';

export interface LabRow {
  readonly programs: number;
  readonly turns: number;
  /** Of this process, in all its threads: what other work takes does not count. */
  readonly cpuSeconds: number;
  readonly turnsPerCpuSecond: number;
  readonly peakMemoryMiB: number;
}

const ENGINE = 'h100-llama-3.1-8b';
const LOAD = 0.8;
const DISPATCH_WINDOW = 4;
/** Programs of the backlog that load 1.0 comes from, at least. */
const BACKLOG = 100;
const LIMITS = { gapCap: seconds(120), maxContextTokens: 200_000 };

/** Reads a trace of JSON lines, gzip or not. */
export const readPrograms = async (file: string): Promise<readonly RecordedProgram[]> => {
  const bytes = createReadStream(file);
  const reader = new TraceReader();
  const programs: RecordedProgram[] = [];
  let lineNumber = 0;
  for await (const line of createInterface({ input: file.endsWith('.gz') ? bytes.pipe(createGunzip()) : bytes })) {
    lineNumber += 1;
    programs.push(...reader.take(line, lineNumber));
  }
  return [...programs, ...reader.finish()].map((program) => limitProgram(program, LIMITS));
};

/** What the lab simulates a second of one core: infinite pins at load 0.8 on one engine. */
export const benchLab = (programs: readonly RecordedProgram[], count: number): LabRow => {
  const ratePerSecond = LOAD * measureUnit(programs);
  const arrivals = planArrivals({ programs, count, ratePerSecond, seed: 1 });
  const before = process.cpuUsage();
  const { finishedPrograms, finishedTurns } = run(arrivals);
  const { user, system } = process.cpuUsage(before);
  if (finishedPrograms !== count) throw new Error(`${finishedPrograms} of ${count} programs finished`);
  const cpuSeconds = (user + system) / 1e6;
  return {
    programs: count,
    turns: finishedTurns,
    cpuSeconds,
    turnsPerCpuSecond: finishedTurns / cpuSeconds,
    peakMemoryMiB: process.resourceUsage().maxRSS / 1_024,
  };
};

const measureUnit = (programs: readonly RecordedProgram[]): number => {
  const completions: Instant[] = [];
  run(planBacklog({ programs, count: Math.max(BACKLOG, programs.length), seed: 0 }), {
    programFinished: ({ finishedAt }) => completions.push(finishedAt),
  });
  return backlogThroughput(completions);
};

const run = (arrivals: readonly Arrival[], observer?: SimulationObserver): SimulationResult =>
  simulate({
    profile: parsePolicy(infinitePinSpec()),
    engines: pool(),
    arrivals,
    dispatchWindow: DISPATCH_WINDOW,
    ...(observer === undefined ? {} : { observer }),
  });

const pool = (): readonly PoolEngine[] =>
  createPool({
    profile: engineProfile(ENGINE),
    engines: 1,
    kvScale: 1,
    tokenBudget: 8_192,
    maxRunningRequests: 256,
  });
