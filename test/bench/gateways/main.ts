import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { loadavg } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import Table from 'cli-table3';
import { startContenders } from './contenders.js';
import { measure, type GatewayRow } from './measure.js';
import { whereTimeGoes } from './where-time-goes.js';

const CONCURRENCIES = [1, 8];
/**
 * Conversations of each way ahead of what is measured, 2,000 turns, as many at once as then: services that are compiled as
 * they run get to be compiled for it.
 */
const WARM_UP = 200;

/** Without colours, which are noise in a file. */
const PLAIN = { head: [], border: [] };

const say = (what: string): void => void process.stderr.write(`${what} ...\n`);
const ms = (value: number): string => value.toFixed(2);

const print = (rows: readonly GatewayRow[]): void => {
  const head = ['way', 'at once', 'turns', 'TTFT p50', 'TTFT p99', 'total p50', 'total p99'];
  const added = ['added TTFT p50', 'added total p50', 'added, first turns'];
  const table = new Table({
    head: [...head, ...added],
    colAligns: ['left', ...Array(9).fill('right')],
    style: PLAIN,
  });
  for (const row of rows) {
    const shown = (value: number): string => (row.turns === 0 ? '-' : ms(value));
    table.push([
      row.contender,
      String(row.concurrency),
      String(row.turns),
      ...[row.ttftP50Ms, row.ttftP99Ms, row.totalP50Ms, row.totalP99Ms].map(shown),
      ...[row.addedTtftP50Ms, row.addedTotalP50Ms, row.addedFirstTurnP50Ms].map(shown),
    ]);
  }
  console.log(table.toString());
  for (const { contender, concurrency, failure } of rows) {
    if (failure !== null) console.log(`${contender}, ${concurrency} at once, was asked no more after ${failure}`);
  }
};

/** Parts that take less of a turn are not shown, in milliseconds. */
const SHOWN_MS = 0.03;

const printProfile = (file: string, turns: number): void => {
  const parts = whereTimeGoes(JSON.parse(readFileSync(file, 'utf8')) as Profiler.Profile);
  const total = parts.reduce((sum, part) => sum + part.ms, 0);
  const table = new Table({
    head: ['part of Holdfast, one at once', 'ms a turn'],
    colAligns: ['left', 'right'],
    style: PLAIN,
  });
  const shown = parts.filter(({ part, ms: spent }) => part !== 'others' && spent / turns >= SHOWN_MS);
  const rest = total - shown.reduce((sum, part) => sum + part.ms, 0);
  for (const { part, ms: spent } of [...shown, { part: 'others', ms: rest }, { part: 'all', ms: total }]) {
    table.push([part, ms(spent / turns)]);
  }
  console.log(table.toString());
};

const PROFILE_WITHIN_MS = 30_000;
const POLL_MS = 100;

/** Notes where the time of a process goes during the work; it has to have `profile-on-signal` loaded. */
const profiled = async <Result>(pid: number, file: string, work: () => Promise<Result>): Promise<Result> => {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  const result = await work();
  process.kill(pid, 'SIGUSR2');
  const deadline = Date.now() + PROFILE_WITHIN_MS;
  while (!existsSync(file)) {
    if (Date.now() > deadline) throw new Error(`${file} was not written within ${PROFILE_WITHIN_MS / 1_000} s`);
    await sleep(POLL_MS);
  }
  return result;
};

const main = async (): Promise<void> => {
  const command = new Command('npm run bench:gateways --')
    .description(
      'Milliseconds of streamed chat completions, 16 tokens each, in conversations of 10 turns: through the gRPC front ' +
        'of one simulated engine that takes a tenth of its time, and what Holdfast, a relay on Node that does nothing else, and other gateways add to it.',
    )
    .option('--conversations <number>', 'conversations of each way and concurrency', '40')
    .option(
      '--profile <file>',
      'say where the time of Holdfast goes, and write it for the DevTools of a browser (.cpuprofile)',
    )
    .option('--json <file>', 'write the results as JSON')
    .parse();
  const { conversations, profile, json } = command.opts<{ conversations: string; profile?: string; json?: string }>();
  const count = Number(conversations);
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`--conversations is "${conversations}"; allowed: a whole number of at least 1`);
  }
  const bin = process.env['GATEWAYS_BIN'];
  if (bin === undefined) throw new Error('GATEWAYS_BIN is not set; run: npm run bench:gateways');
  const profileFile = profile === undefined ? undefined : resolve(profile);
  const preload = new URL('profile-on-signal.js', import.meta.url).href;
  const env: Record<string, string> =
    profileFile === undefined ? {} : { NODE_OPTIONS: `--import ${preload}`, BENCH_CPU_PROFILE_FILE: profileFile };
  const contenders = await startContenders({ bin, env, say: (what) => say(`starting ${what}`) });
  try {
    const rows: GatewayRow[] = [];
    for (const concurrency of CONCURRENCIES) {
      say(`warm-up, ${concurrency} conversations at once`);
      await measure(contenders.all, { concurrency, conversations: WARM_UP });
      say(`${concurrency} conversations at once`);
      const work = (): Promise<GatewayRow[]> => measure(contenders.all, { concurrency, conversations: count });
      const isProfiled = profileFile !== undefined && concurrency === 1;
      rows.push(...(await (isProfiled ? profiled(contenders.controlPlanePid, profileFile, work) : work())));
    }
    print(rows);
    const holdfast = rows.find(({ contender, concurrency }) => contender === 'holdfast' && concurrency === 1);
    if (profileFile !== undefined && holdfast !== undefined) printProfile(profileFile, holdfast.turns);
    console.log(`load average at the end: ${loadavg().map(ms).join(', ')}`);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ rows }, null, 2)}\n`);
  } finally {
    await contenders.stop();
  }
};

await main();
