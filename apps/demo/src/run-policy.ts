import { setMaxListeners } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setInterval as every } from 'node:timers/promises';
import { Holdfast } from '@holdfast/sdk';
import type { DemoEngine } from './engine-kinds.js';
import { PinLedger } from './measure/pin-ledger.js';
import { summarise, type SummaryRow } from './measure/summary.js';
import type { DemoOptions } from './options.js';
import { ServiceStack } from './processes/service-stack.js';
import { recordRun } from './record/record-run.js';
import { ModelTime } from './replay/model-time.js';
import type { ReplayedProgram } from './replay/replay-program.js';
import { replayWorkload } from './replay/replay-workload.js';
import type { ProgressDisplay } from './report/progress.js';
import { turnsOf, type PlannedProgram } from './workload/plan-workload.js';

/** One run: what is the same for all policies, and the policy. */
export interface RunOptions {
  readonly demo: DemoOptions;
  readonly policy: string;
  /** Place of the policy among those compared, from 1. */
  readonly ordinal: number;
  readonly workload: readonly PlannedProgram[];
  readonly engine: DemoEngine;
  readonly trace: string;
  readonly load: number;
  readonly databaseUrl: string;
  readonly display: ProgressDisplay;
  readonly signal: AbortSignal;
}

const UPDATE_INTERVAL_MS = 200;
/** Longer than any demo: the signal, not a deadline, ends a turn that waits. */
const TURN_DEADLINE_MS = 24 * 3_600_000;

/** Starts fresh processes, replays the workload, measures, and stops everything again, also on failure. */
export const runPolicy = async (options: RunOptions): Promise<SummaryRow> => {
  const { demo, policy, ordinal, engine, databaseUrl } = options;
  const stack = new ServiceStack({
    policy,
    pool: `demo-${ordinal}`,
    databaseUrl,
    engine,
    timeScale: demo.timeScale,
    ...(demo.keepLogs === undefined ? {} : { logDir: logFolder(demo.keepLogs, policy) }),
  });
  try {
    await stack.start();
    options.signal.throwIfAborted();
    const row = await measure(stack, options);
    await stack.stop();
    if (demo.record !== undefined) await recordRun(stack, { folder: demo.record, policy });
    return row;
  } finally {
    await stack.stop();
  }
};

const logFolder = (keepLogs: string, policy: string): string => {
  const folder = join(keepLogs, policy.replaceAll(/[^\w.=-]/g, '_'));
  mkdirSync(folder, { recursive: true });
  return folder;
};

const measure = async (stack: ServiceStack, options: RunOptions): Promise<SummaryRow> => {
  const { demo, policy, workload, engine, trace, load } = options;
  const { profile, engines } = engine;
  const time = new ModelTime(demo.timeScale);
  const ledgers = stack.kvControlAddresses.map((address) => new PinLedger(address, () => time.elapsedSeconds));
  try {
    await Promise.all(ledgers.map((ledger) => ledger.ready()));
    const replayed = await replay(stack, options);
    const stats = await Promise.all(ledgers.map((ledger) => ledger.stats()));
    const pins = ledgers.map((ledger) => ledger.totals());
    const missed = pins.reduce((sum, { missedEvents }) => sum + missedEvents, 0);
    if (missed > 0) throw new Error(`${missed} pin events were missed: this machine is too slow for --time-scale`);
    return summarise({
      trace,
      engine: profile.name,
      engines,
      policy,
      load,
      seed: demo.seed,
      programs: workload.length,
      timeScale: demo.timeScale,
      replayed,
      pins,
      preemptions: stats.reduce((sum, { preemptions }) => sum + Number(preemptions), 0),
      kvBytesPerToken: profile.kvBytesPerToken,
    });
  } finally {
    for (const ledger of ledgers) ledger.close();
  }
};

/** Replays against the stack while its processes live; the death of one of them ends the replay. */
const replay = async (stack: ServiceStack, options: RunOptions): Promise<readonly ReplayedProgram[]> => {
  const { demo, policy, ordinal, workload, display } = options;
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  // Every program, turn and process waits for it.
  setMaxListeners(0, signal, options.signal);
  const holdfast = new Holdfast({ address: stack.address, timeouts: { callMs: 60_000, turnMs: TURN_DEADLINE_MS } });
  const time = new ModelTime(demo.timeScale);
  const counts = { programsEnded: 0, turnsFinished: 0 };
  const show = (): void => display.update({ ...counts, modelSeconds: time.elapsedSeconds });
  display.begin(policy, { programs: workload.length, turns: turnsOf(workload) });
  const showing = showEvery(show, signal);
  const living = stack.mustLiveUntil(signal);
  try {
    const replaying = replayWorkload(workload, {
      holdfast,
      time,
      seed: demo.seed,
      programIdPrefix: `run-${ordinal}-program-`,
      signal,
      onTurn: () => (counts.turnsFinished += 1),
      onEnded: () => (counts.programsEnded += 1),
    });
    // Whichever fails first is the cause; the other must not become an unhandled rejection.
    replaying.catch(() => undefined);
    living.catch(() => undefined);
    const failed = living.then((): Promise<never> => new Promise(() => undefined));
    return await Promise.race([replaying, failed]);
  } finally {
    over.abort(new Error('the run is over'));
    holdfast.close();
    await showing;
    show();
    display.end();
  }
};

const showEvery = async (show: () => void, signal: AbortSignal): Promise<void> => {
  try {
    for await (const _ of every(UPDATE_INTERVAL_MS, undefined, { signal })) show();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};
