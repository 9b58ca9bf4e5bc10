import { writeFileSync } from 'node:fs';
import { startPostgres } from '@holdfast/platform';
import { demoEngine, type DemoEngine } from './engine-kinds.js';
import type { Summary, SummaryRow } from './measure/summary.js';
import type { DemoOptions } from './options.js';
import { comparisonTable } from './report/comparison-table.js';
import { progressDisplay } from './report/progress.js';
import { verdictOf } from './report/verdict.js';
import { runPolicy, type RunOptions } from './run-policy.js';
import { planWorkload, turnsOf, type PlannedProgram } from './workload/plan-workload.js';
import { readProgramFacts } from './workload/program-facts.js';
import { scaleFacts } from './workload/scale-facts.js';
import { setUpVllm } from './processes/set-up-vllm.js';

const TRACE = 'weka-claude-code';
const PROGRAMS_FILE = new URL('../data/programs.jsonl', import.meta.url);
/** Turns of a program that are replayed. */
const TURN_CAP = 12;

/** Overhead of this machine above this share of the completion time spoils a comparison. */
const BUSY_SHARE = 0.15;

/** Runs every policy and prints the comparison. Rejects with the signal's reason when that aborts. */
export const runDemo = async (options: DemoOptions, signal: AbortSignal): Promise<void> => {
  const engine = demoEngine(options.engine);
  const { profile } = engine;
  const arrivalsPerSecond = options.arrivalsPerHour / 3_600;
  const workload = planWorkload(scaleFacts(readProgramFacts(PROGRAMS_FILE), engine), {
    programs: options.programs,
    seed: options.seed,
    arrivalsPerSecond,
    gapCapSeconds: engine.gapCapSeconds,
    turnCap: TURN_CAP,
  });
  const poolTokens = engine.engines * profile.totalBlocks * profile.blockTokens;
  print(introduction(options, { workload, poolTokens, engine }));
  if (engine.kind === 'vllm') await setUpVllm(signal);
  // What a crash of this machine would lose, the demo throws away anyway.
  const postgres = await startPostgres({ durable: false });
  try {
    const rows: SummaryRow[] = [];
    for (const [index, policy] of options.policies.entries()) {
      signal.throwIfAborted();
      const shared: Omit<RunOptions, 'policy' | 'ordinal'> = {
        demo: options,
        workload,
        engine,
        trace: TRACE,
        load: arrivalsPerSecond / engine.backlogProgramsPerSecond,
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
  { workload, poolTokens, engine }: Introduced,
): string => {
  const contexts = workload.map(({ turns }) => {
    const last = turns.at(-1);
    return last === undefined ? 0 : last.promptTokens + last.outputTokens;
  });
  const tokens = contexts.reduce((sum, context) => sum + context, 0);
  return [
    `${workload.length} recorded agent programs with ${turnsOf(workload)} turns (seed ${seed}), ${arrivalsPerHour} arriving an hour,`,
    `on ${placeOf(engine)}`,
    `with ${inMillions(poolTokens)} tokens of KV together; the programs' contexts come to ${inMillions(tokens)}.`,
    `Tool gaps are cut to ${engine.gapCapSeconds} s, programs to ${TURN_CAP} turns.`,
    ...(engine.kind === 'vllm' ? [] : [timeNote(timeScale)]),
    `Policies: ${policies.join(', ')}.`,
    '',
  ].join('\n');
};

interface Introduced {
  readonly workload: readonly PlannedProgram[];
  readonly poolTokens: number;
  readonly engine: DemoEngine;
}

const placeOf = ({ kind, engines, profile, promptScale, outputScale, gapScale }: DemoEngine): string =>
  kind === 'sim'
    ? `${engines} simulated engines (${profile.name})`
    : `a real vLLM with a small model (${profile.name}), prompts ${promptScale} times, outputs ${outputScale} times and gaps ${gapScale} times smaller,`;

const timeNote = (timeScale: number): string =>
  `Time runs ${timeScale} times as fast, and all figures are in that time: a millisecond that this machine takes counts as ${(timeScale / 1_000).toFixed(2)} s.`;

const inMillions = (tokens: number): string =>
  tokens < 1e5 ? `${(tokens / 1e3).toFixed(1)} k` : `${(tokens / 1e6).toFixed(2)} M`;

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
