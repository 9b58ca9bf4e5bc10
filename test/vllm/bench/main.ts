import { setMaxListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { startPostgres } from '@holdfast/platform';
import { Command, InvalidArgumentError } from 'commander';
import { VllmProcess } from '../support/vllm-process.js';
import {
  armsWith,
  POOL_BLOCKS,
  POOL_TOKENS,
  runArm,
  SCENARIOS,
  type Arm,
  type ArmName,
  type ScenarioName,
} from './arms.js';
import { type BenchRow, rowOf, tableOf } from './report.js';
import { finalContextTokens, planWorkload } from './workload.js';

interface BenchOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly policy: string;
  readonly scenarios: readonly ScenarioName[];
  readonly arms: readonly ArmName[];
  readonly json?: string;
}

const DESCRIPTION = `Runs agent programs on a real vLLM in three ways, in turn, on the same build: stock vLLM; stock vLLM with
program order from the control plane's dispatch window; vLLM with the plug-in, pins and program order.
Figures of one round compare with each other; the machine's other load changes from round to round.`;

const wholeFrom =
  (from: number, to: number) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isInteger(value) && value >= from && value <= to) return value;
    throw new InvalidArgumentError(`Allowed: a whole number from ${from} to ${to}.`);
  };

const scenarioList = (text: string): readonly ScenarioName[] =>
  text.split(',').map((name) => {
    if (Object.hasOwn(SCENARIOS, name)) return name as ScenarioName;
    throw new InvalidArgumentError(`Allowed: ${Object.keys(SCENARIOS).join(', ')}, separated by commas.`);
  });

const armList = (text: string): readonly ArmName[] =>
  text.split(',').map((name) => {
    const arm = armsWith('static-ttl').find((known) => known.name === name);
    if (arm !== undefined) return arm.name;
    throw new InvalidArgumentError('Allowed: stock, order, holdfast, separated by commas.');
  });

const readOptions = (): BenchOptions =>
  new Command('npm run bench:vllm --')
    .description(DESCRIPTION)
    .allowExcessArguments(false)
    .option('--rounds <number>', 'rounds; each has a seed of its own', wholeFrom(1, 100), 3)
    .option('--seed <number>', 'seed of the first round', wholeFrom(0, 2 ** 31), 11)
    .option('--policy <policy>', 'policy of the third arm', 'holdfast')
    .option('--scenarios <list>', 'which', scenarioList, scenarioList('contended,alone'))
    .option('--arms <list>', 'which', armList, armList('stock,order,holdfast'))
    .option('--json <file>', 'also write the figures')
    .parse()
    .opts<BenchOptions>();

const log = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const describeScenario = (scenario: ScenarioName, seed: number): string => {
  const { programs, arrivalsPerSecond } = SCENARIOS[scenario];
  const tokens = planWorkload(seed, SCENARIOS[scenario]).reduce((sum, program) => sum + finalContextTokens(program), 0);
  const arrivals = arrivalsPerSecond === null ? 'one after the other' : `arriving at ${arrivalsPerSecond}/s`;
  return `${scenario}: ${programs} programs ${arrivals}; contexts end at ${Math.round(tokens / programs)} tokens on average, ${(tokens / POOL_TOKENS).toFixed(1)} pools together`;
};

const bench = async (options: BenchOptions, signal: AbortSignal): Promise<readonly BenchRow[]> => {
  const rows: BenchRow[] = [];
  const closing: (() => Promise<void>)[] = [];
  try {
    const postgres = await startPostgres({ durable: false });
    closing.push(() => postgres.stop());
    log('starting vLLM twice, with and without the plug-in ...');
    const args = ['--blocks', String(POOL_BLOCKS), '--max-model-len', '5120'];
    const stock = await VllmProcess.start({ isStock: true, args: [...args, '--scheduling-policy', 'fcfs'] });
    closing.push(() => stock.stop());
    const plugin = await VllmProcess.start({ args });
    closing.push(() => plugin.stop());
    const arms = armsWith(options.policy).filter(({ name }) => options.arms.includes(name));
    let ordinal = 0;
    for (const scenario of options.scenarios) {
      log(describeScenario(scenario, options.seed));
      for (let round = 1; round <= options.rounds; round += 1) {
        for (const arm of inTurn(arms, round)) {
          signal.throwIfAborted();
          ordinal += 1;
          const engine = arm.hasPlugin ? plugin : stock;
          const run = { arm, scenario, seed: options.seed + round - 1, engine, ordinal, signal };
          const measured = await runArm({ ...run, databaseUrl: postgres.url });
          rows.push(rowOf({ arm: arm.name, scenario, round }, measured));
          log(
            `${scenario}, round ${round}, ${arm.name.padEnd(8)} mean JCT ${measured.meanJctSeconds.toFixed(1)} s, cached ${measured.cachedShare.toFixed(2)}, peak working set ${measured.peakWorkingSet.toFixed(1)} pools`,
          );
        }
      }
    }
    return rows;
  } finally {
    for (const close of closing.reverse()) await close();
  }
};

/** Pure. Each round starts with another arm, so that a drift of the machine favours none. */
const inTurn = (arms: readonly Arm[], round: number): readonly Arm[] => {
  const first = (round - 1) % arms.length;
  return [...arms.slice(first), ...arms.slice(0, first)];
};

const main = async (): Promise<void> => {
  const options = readOptions();
  const abort = new AbortController();
  // Every program waits for it.
  setMaxListeners(0, abort.signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => abort.abort(new Error(signal)));
  const rows = await bench(options, abort.signal);
  console.log(
    `Third arm: vLLM with the plug-in, policy ${options.policy}. Mean over ${options.rounds} rounds (smallest to largest).`,
  );
  console.log(tableOf([...rows].sort((a, b) => armOrder(a) - armOrder(b))));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ arms: rows }, null, 2)}\n`);
};

const armOrder = ({ scenario, arm }: BenchRow): number =>
  (scenario === 'alone' ? 3 : 0) + ['stock', 'order', 'holdfast'].indexOf(arm);

try {
  await main();
} catch (error) {
  log(`The bench failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
