import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arrival } from '@holdfast/simulation';
import { Holdfast } from '@holdfast/sdk';
import { BuiltProcess } from '@holdfast/testing/processes';
import type { ProgressDisplay } from '../../output/progress.js';
import { runLiveProgram } from '../../replay/live-program.js';
import { readRecordedRun, type RecordedRun } from './recorded-run.js';

/** A live run: a service of its own in front of engines that are there, and the programs it gets. */
export interface LiveRun {
  /** Engines, as HOLDFAST_ENGINES names them. */
  readonly engines: readonly string[];
  readonly policy: string;
  /** Name of the pool; each run has one of its own in the database. */
  readonly pool: string;
  readonly databaseUrl: string;
  readonly dispatchWindow: number;
  /** Base, per token and per token squared, in seconds. */
  readonly prefillCost: string;
  /** Seconds of the programs in a real one, the same as that of the engines. */
  readonly timeScale: number;
  readonly arrivals: readonly Arrival[];
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly progress: ProgressDisplay;
}

const ENGINES_WITHIN_MS = 60_000;
const POLL_MS = 100;
const EXPORT_DEADLINE_MS = 60_000;
const TURN_DEADLINE_MS = 3_600_000;
const CALL_DEADLINE_MS = 60_000;

/** Runs the programs on the service, through the SDK, and takes out what it recorded. Nothing is left running. */
export const runLive = async (run: LiveRun): Promise<RecordedRun> => {
  const env = environmentOf(run);
  const service = new BuiltProcess({ entry: 'apps/control-plane/dist/main.js', env });
  try {
    const { grpc = '', http = '' } = await service.ready();
    await untilReady(http);
    await runPrograms(grpc, run);
  } finally {
    await service.stop();
  }
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-live-'));
  try {
    const prefix = join(folder, 'run');
    const exported = new BuiltProcess({ entry: 'apps/control-plane/dist/export-log.js', args: [prefix], env });
    const { exitCode } = await exported.ended(EXPORT_DEADLINE_MS);
    if (exitCode !== 0) throw new Error(`the log could not be exported: ${exported.log}`);
    return readRecordedRun(prefix);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const environmentOf = (run: LiveRun): Readonly<Record<string, string>> => ({
  ...withoutOwnSettings(),
  DATABASE_URL: run.databaseUrl,
  HOLDFAST_GRPC_ADDRESS: '127.0.0.1:0',
  HOLDFAST_HTTP_ADDRESS: '127.0.0.1:0',
  HOLDFAST_ROLES: 'api,scheduler',
  HOLDFAST_POOL: run.pool,
  HOLDFAST_ENGINES: run.engines.join(','),
  HOLDFAST_POLICY: run.policy,
  HOLDFAST_DISPATCH_WINDOW: String(run.dispatchWindow),
  HOLDFAST_PREFILL_COST: run.prefillCost,
  HOLDFAST_TIME_SCALE: String(run.timeScale),
  HOLDFAST_PROGRAM_IDLE_LIMIT: '24h',
  HOLDFAST_CALLER_STALL_LIMIT: '1h',
  HOLDFAST_DRAIN_LIMIT: '1s',
  HOLDFAST_LOG_LEVEL: 'warn',
});

/** Settings of the caller's environment must not leak into the comparison; empty counts as not set. */
const withoutOwnSettings = (): Record<string, string> =>
  Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith('HOLDFAST_'))
      .map((name) => [name, '']),
  );

/** It listens before it has attached its engines; programs are to find both. */
const untilReady = async (httpAddress: string): Promise<void> => {
  const deadline = performance.now() + ENGINES_WITHIN_MS;
  for (;;) {
    const answer = await fetch(`http://${httpAddress}/health/ready`);
    if (answer.ok) return;
    if (performance.now() > deadline) {
      throw new Error(`the service was not ready within ${ENGINES_WITHIN_MS} ms: ${await answer.text()}`);
    }
    await sleep(POLL_MS);
  }
};

const runPrograms = async (address: string, run: LiveRun): Promise<void> => {
  const { arrivals, pool, seed, timeScale, signal, progress } = run;
  const holdfast = new Holdfast({ address, timeouts: { callMs: CALL_DEADLINE_MS, turnMs: TURN_DEADLINE_MS } });
  // Every program waits for it.
  setMaxListeners(0, signal);
  try {
    const ends = await Promise.allSettled(
      arrivals.map(async (arrival) => {
        await sleep(arrival.at / 1_000 / timeScale, undefined, { signal });
        const done = progress.begin(`${run.policy} ${arrival.program.programId}`);
        const programId = `${pool}-${arrival.program.programId}`;
        await runLiveProgram(arrival, {
          holdfast,
          model: '',
          programId,
          seed,
          timeScale,
          signal,
          onTurn: () => undefined,
        });
        done(1);
      }),
    );
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    holdfast.close();
  }
};
