import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Duration } from '@holdfast/scheduling';
import { Holdfast, isHoldfastError, type ProgramInfo, type TurnResult } from '@holdfast/sdk';
import {
  distributionOf,
  planArrivals,
  planRecordedArrivals,
  withSizeHints,
  type Arrival,
  type Distribution,
} from '@holdfast/simulation';
import Table from 'cli-table3';
import type { ArrivalChoice } from '../cells/job.js';
import { Interrupted, UsageError } from '../cli/exit.js';
import { requireArrivals } from '../experiment/recorded-arrivals.js';
import { writeWhole } from '../output/write-files.js';
import { runLiveProgram } from '../replay/live-program.js';
import { loadTrace, type ProgramSelection, type TraceArgument } from '../trace-files/load-trace.js';
import type { CommandIo } from './compare.js';

export interface ReplaySettings {
  readonly trace: TraceArgument;
  /** Of the service's gRPC. */
  readonly address: string;
  readonly model: string;
  readonly programsPerHour: number;
  /** Programs that run; null: as many as the trace has. */
  readonly programs: number | null;
  readonly seed: number;
  readonly timeScale: number;
  readonly gapCap: Duration;
  readonly maxContextTokens: number;
  readonly select: ProgramSelection;
  readonly arrival: ArrivalChoice;
  /** Folder for `replay.json`; null writes none. */
  readonly out: string | null;
}

/** What came out, by the service's clock. `replay.json` holds it with the settings. */
export interface ReplayResult {
  readonly programs: number;
  readonly finished: number;
  /** Why programs did not finish, each reason once. */
  readonly failures: readonly string[];
  readonly turns: number;
  readonly jctSeconds: Distribution;
  readonly ttftSeconds: Distribution;
  readonly queueWaitSeconds: Distribution;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly recomputedTokens: number;
  readonly outputTokens: number;
}

/** Longer than any replay: Ctrl-C, not a deadline, ends a turn that waits. */
const TURN_DEADLINE_MS = 24 * 3_600_000;
const CALL_DEADLINE_MS = 60_000;
const GREETING_DEADLINE_MS = 10_000;

/** Drives a live service with a trace: the same programs and arrivals as in the simulator, in real time. */
export const replay = async (settings: ReplaySettings, io: CommandIo): Promise<ReplayResult> => {
  const { address, out } = settings;
  const arrivals = await arrivalsOf(settings);
  const apiKey = process.env['HOLDFAST_API_KEY'];
  const timeouts = { callMs: CALL_DEADLINE_MS, turnMs: TURN_DEADLINE_MS };
  const holdfast = new Holdfast({ address, timeouts, ...(apiKey === undefined ? {} : { apiKey }) });
  try {
    await greet(holdfast, address);
    const result = await runAll(holdfast, arrivals, { settings, io });
    io.progress.end();
    if (result.finished === 0) throw new UsageError(`no program finished: ${result.failures.join('; ')}`);
    io.output.write(`${tableOf(settings, result)}\n`);
    if (out !== null) {
      mkdirSync(out, { recursive: true });
      const document = { schema: 'holdfast.lab.replay/v1', settings, result };
      writeWhole(join(out, 'replay.json'), `${JSON.stringify(document, null, 2)}\n`);
      io.output.write(`Written: ${join(out, 'replay.json')}\n`);
    }
    return result;
  } finally {
    io.progress.end();
    holdfast.close();
  }
};

const arrivalsOf = async (settings: ReplaySettings): Promise<readonly Arrival[]> => {
  const { seed, arrival, programsPerHour } = settings;
  const trace = await loadTrace(settings.trace, settings);
  const { programs } = trace;
  if (arrival.arrivals === 'trace') requireArrivals(trace, { ...settings, seeds: 1 });
  const plan = arrival.arrivals === 'trace' ? planRecordedArrivals : planArrivals;
  const count = settings.programs ?? programs.length;
  const planned = plan({ programs, count, ratePerSecond: programsPerHour / 3_600, seed });
  return arrival.sizeHintSigma === null ? planned : withSizeHints(planned, { sigma: arrival.sizeHintSigma, seed });
};

/** A service that is not there is found out before the first program. */
const greet = async (holdfast: Holdfast, address: string): Promise<void> => {
  try {
    const signal = AbortSignal.timeout(GREETING_DEADLINE_MS);
    for await (const _ of holdfast.list({ pageSize: 1, signal })) break;
  } catch (error) {
    throw new UsageError(`--address is ${address}, where no service answers: ${messageOf(error)}`);
  }
};

const messageOf = (error: unknown): string => {
  if (isHoldfastError(error)) return `${error.reason}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
};

const runAll = async (
  holdfast: Holdfast,
  arrivals: readonly Arrival[],
  { settings, io }: { readonly settings: ReplaySettings; readonly io: CommandIo },
): Promise<ReplayResult> => {
  const { signal, progress } = io;
  const { model, seed, timeScale } = settings;
  setMaxListeners(0, signal);
  const runId = randomUUID().slice(0, 8);
  const turns: TurnResult[] = [];
  progress.expect(arrivals.length);
  const runs = arrivals.map(async (arrival, index): Promise<ProgramInfo> => {
    await sleep(arrival.at / 1_000 / timeScale, undefined, { signal });
    const done = progress.begin(arrival.program.programId);
    const programId = `lab-${runId}-${index}`;
    const onTurn = ({ tokenIds: _ids, text: _text, ...turn }: TurnResult): void =>
      void turns.push({ ...turn, tokenIds: [], text: '' });
    try {
      return await runLiveProgram(arrival, { holdfast, model, programId, seed, timeScale, signal, onTurn });
    } finally {
      done(1);
    }
  });
  const ends = await Promise.allSettled(runs);
  if (signal.aborted) throw new Interrupted('stopped; the programs that ran are ended as failed');
  const infos = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  const failures = ends.flatMap((end) => (end.status === 'rejected' ? [messageOf(end.reason)] : []));
  return { ...figuresOf(infos, turns), programs: arrivals.length, failures: [...new Set(failures)] };
};

const figuresOf = (
  infos: readonly ProgramInfo[],
  turns: readonly TurnResult[],
): Omit<ReplayResult, 'programs' | 'failures'> => {
  const sum = (pick: (turn: TurnResult) => number): number => turns.reduce((total, turn) => total + pick(turn), 0);
  return {
    finished: infos.length,
    turns: turns.length,
    jctSeconds: distributionOf(infos.map(jctSeconds)),
    ttftSeconds: distributionOf(turns.map(({ timeToFirstTokenMs }) => timeToFirstTokenMs / 1_000)),
    queueWaitSeconds: distributionOf(turns.map(({ queueWaitMs }) => queueWaitMs / 1_000)),
    promptTokens: sum(({ usage }) => usage.promptTokens),
    cachedTokens: sum(({ usage }) => usage.cachedTokens),
    recomputedTokens: sum(({ usage }) => usage.recomputedTokens),
    outputTokens: sum(({ usage }) => usage.outputTokens),
  };
};

const jctSeconds = ({ startedAt, endedAt = startedAt }: ProgramInfo): number =>
  (endedAt.getTime() - startedAt.getTime()) / 1_000;

const tableOf = ({ trace, address, programsPerHour }: ReplaySettings, result: ReplayResult): string => {
  const table = new Table({
    head: ['', 'mean', 'p50', 'p95', 'p99', 'max'],
    colAligns: ['left', ...new Array<'right'>(5).fill('right')],
    style: { head: [], border: [], compact: true },
  });
  const row = (name: string, { mean, p50, p95, p99, max }: Distribution): void =>
    void table.push([name, ...[mean, p50, p95, p99, max].map((value) => value.toFixed(value < 10 ? 3 : 1))]);
  row('JCT s', result.jctSeconds);
  row('TTFT s', result.ttftSeconds);
  row('queue wait s', result.queueWaitSeconds);
  const cached = (100 * result.cachedTokens) / Math.max(1, result.promptTokens);
  const unfinished = result.programs - result.finished;
  return [
    `${trace.name} on ${address} at ${programsPerHour} programs/h: ${result.finished} of ${result.programs} programs finished, ` +
      `${result.turns} turns`,
    table.toString(),
    `${cached.toFixed(1)} % of ${result.promptTokens} prompt tokens were cached, ${result.recomputedTokens} computed again`,
    ...(unfinished === 0 ? [] : [`${unfinished} did not finish: ${result.failures.slice(0, 3).join('; ')}`]),
  ].join('\n');
};
