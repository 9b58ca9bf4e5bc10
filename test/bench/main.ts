import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import Table from 'cli-table3';
import { benchKernel, type KernelRow } from './kernel.js';
import { benchService, type ServiceResults } from './turns.js';

const PROGRAMS = [100, 1_000, 10_000, 100_000];
const POLICIES = ['holdfast', 'continuum', 'vllm-fcfs'];
const PARTS = ['kernel', 'service'] as const;

const say = (what: string): void => void process.stderr.write(`${what} ...\n`);
const whole = (value: number): string => Math.round(value).toLocaleString('en');
const ms = (value: number): string => value.toFixed(2);

const print = (title: string, head: readonly string[], rows: readonly (readonly string[])[]): void => {
  const table = new Table({ head: [...head], colAligns: head.map((_, index) => (index === 0 ? 'left' : 'right')) });
  for (const row of rows) table.push([...row]);
  console.log(`\n${title}\n${table.toString()}`);
};

const kernelRows = (): KernelRow[] =>
  POLICIES.flatMap((policy) =>
    PROGRAMS.map((programs) => {
      say(`kernel, ${policy}, ${whole(programs)} programs`);
      return benchKernel(policy, programs);
    }),
  );

const printKernel = (rows: readonly KernelRow[]): void =>
  print(
    'Kernel: time of one event',
    ['policy', 'live programs', 'p50 us', 'p99 us', 'max us', 'events/s'],
    rows.map((row) => [
      row.policy,
      whole(row.programs),
      row.p50Micros.toFixed(1),
      row.p99Micros.toFixed(1),
      whole(row.maxMicros),
      whole(row.eventsPerSecond),
    ]),
  );

const printService = ({ turn, relay, controlPlaneLoopLag }: ServiceResults): void => {
  print(
    'Turns: 256 prompt tokens, 16 output tokens, an engine that takes no time; straight to the engine and through Holdfast',
    ['programs at once', 'turns', 'direct p50 ms', 'direct p99 ms', 'added p50 ms', 'added p99 ms'],
    turn.map((row) => [
      String(row.concurrency),
      whole(row.turns),
      ms(row.directP50Ms),
      ms(row.directP99Ms),
      ms(row.addedP50Ms),
      ms(row.addedP99Ms),
    ]),
  );
  print(
    'Relay: tokens per second',
    ['streams', 'direct', 'through Holdfast', 'ratio'],
    relay.map((row) => [
      String(row.streams),
      whole(row.directTokensPerSecond),
      whole(row.throughTokensPerSecond),
      row.ratio.toFixed(2),
    ]),
  );
  const { p50Ms, p99Ms, maxMs } = controlPlaneLoopLag;
  console.log(
    `\nControl plane, event-loop lag over the run: p50 ${ms(p50Ms)} ms, p99 ${ms(p99Ms)} ms, max ${ms(maxMs)} ms`,
  );
};

const main = async (): Promise<void> => {
  const command = new Command('npm run bench --')
    .description('Measures Holdfast. Figures of one run compare with each other; another machine gives others.')
    .option('--json <file>', 'write the results as JSON')
    .addOption(new Option('--only <part>', 'one part').choices(PARTS))
    .parse();
  const { json, only } = command.opts<{ json?: string; only?: (typeof PARTS)[number] }>();
  const kernel = only === 'service' ? [] : kernelRows();
  if (kernel.length > 0) printKernel(kernel);
  const service = only === 'kernel' ? undefined : await benchService(say);
  if (service !== undefined) printService(service);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ kernel, ...service }, null, 2)}\n`);
};

await main();
