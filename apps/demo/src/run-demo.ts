import { writeFileSync } from 'node:fs';
import { startPostgres } from '@holdfast/platform';
import { engineProfile } from '@holdfast/simulation';
import type { Summary, SummaryRow } from './measure/summary.js';
import type { DemoOptions } from './options.js';
import { comparisonTable } from './report/comparison-table.js';
import { progressDisplay } from './report/progress.js';
import { verdictOf } from './report/verdict.js';
import { runPolicy, type RunOptions } from './run-policy.js';
import { planWorkload, turnsOf, type PlannedProgram } from './workload/plan-workload.js';
import { readProgramFacts } from './workload/program-facts.js';

const TRACE = 'weka-claude-code';
const PROGRAMS_FILE = new URL('../data/programs.jsonl', import.meta.url);
const PROFILE = 'h100-llama-3.1-8b';
const ENGINES = 2;

/** Model seconds: longer tool gaps are cut to this. */
const GAP_CAP_SECONDS = 60;
/** Turns of a program that are replayed. */
const TURN_CAP = 12;
/**
 * Programs per model second that two engines complete with all programs there at once and pins that last (`--policies
 * static-ttl:ttl=1h --arrivals-per-hour 1000000`, seeds 1 to 3): load 1.
 */
const BACKLOG_PROGRAMS_PER_SECOND = 0.03;

/** Overhead of this machine above this share of the completion time spoils a comparison. */
const BUSY_SHARE = 0.15;

/** Runs every policy and prints the comparison. Rejects with the signal's reason when that aborts. */
export const runDemo = async (options: DemoOptions, signal: AbortSignal): Promise<void> => {
  const profile = engineProfile(PROFILE);
  const arrivalsPerSecond = options.arrivalsPerHour / 3_600;
  const workload = planWorkload(readProgramFacts(PROGRAMS_FILE), {
    programs: options.programs,
    seed: options.seed,
    arrivalsPerSecond,
    gapCapSeconds: GAP_CAP_SECONDS,
    turnCap: TURN_CAP,
  });
  const poolTokens = ENGINES * profile.totalBlocks * profile.blockTokens;
  print(introduction(options, { workload, poolTokens }));
  // What a crash of this machine would lose, the demo throws away anyway.
  const postgres = await startPostgres({ durable: false });
  try {
    const rows: SummaryRow[] = [];
    for (const [index, policy] of options.policies.entries()) {
      signal.throwIfAborted();
      const shared: Omit<RunOptions, 'policy' | 'ordinal'> = {
        demo: options,
        workload,
        profile,
        engines: ENGINES,
        trace: TRACE,
        load: arrivalsPerSecond / BACKLOG_PROGRAMS_PER_SECOND,
        databaseUrl: postgres.url,
        display: progressDisplay(process.stderr),
        signal,
      };
      rows.push(await runPolicy({ ...shared, policy, ordinal: index + 1 }));
    }
    report(rows, options);
  } finally {
    await postgres.stop();
  }
};

const introduction = (
  { timeScale, seed, policies, arrivalsPerHour }: DemoOptions,
  { workload, poolTokens }: { readonly workload: readonly PlannedProgram[]; readonly poolTokens: number },
): string => {
  const contexts = workload.map(({ turns }) => {
    const last = turns.at(-1);
    return last === undefined ? 0 : last.promptTokens + last.outputTokens;
  });
  const tokens = contexts.reduce((sum, context) => sum + context, 0);
  return [
    `${workload.length} recorded agent programs with ${turnsOf(workload)} turns (seed ${seed}), ${arrivalsPerHour} arriving an hour,`,
    `on ${ENGINES} simulated engines (${PROFILE}) that hold ${millions(poolTokens)} tokens of KV; the programs' contexts`,
    `come to ${millions(tokens)}. Tool gaps are cut to ${GAP_CAP_SECONDS} s, programs to ${TURN_CAP} turns. Time runs ${timeScale} times as`,
    `fast, and all figures are in that time: a millisecond that this machine takes counts as ${(timeScale / 1_000).toFixed(2)} s.`,
    `Policies: ${policies.join(', ')}.`,
    '',
  ].join('\n');
};

const millions = (tokens: number): string => `${(tokens / 1e6).toFixed(2)} M`;

const report = (rows: readonly SummaryRow[], { json }: DemoOptions): void => {
  print(`\n${comparisonTable(rows, { isColoured: process.stdout.isTTY })}`);
  const verdict = verdictOf(rows);
  if (verdict !== '') print(`\n${verdict}`);
  const busy = rows.filter(({ overheadSeconds, jctSeconds }) => overheadSeconds > BUSY_SHARE * jctSeconds.mean);
  if (busy.length > 0) {
    print(
      `CAUTION: this machine was too busy for the time scale in the run of ${busy.map(({ policy }) => policy).join(', ')}: ` +
        `its overhead is above ${BUSY_SHARE * 100} % of the completion time. Try again, or take a smaller --time-scale.`,
    );
  }
  print('What each figure means, and where the gain ends: docs/demo.md');
  if (json === undefined) return;
  const summary: Summary = { schema: 'holdfast.lab.summary/v1', rows };
  writeFileSync(json, `${JSON.stringify(summary, null, 2)}\n`);
  print(`Figures written to ${json}`);
};

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
