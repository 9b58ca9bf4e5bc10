import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import Table from 'cli-table3';
import { benchKernel, type KernelRow } from './kernel.js';

const PROGRAMS = [100, 1_000, 10_000, 100_000];
const POLICIES = ['continuum', 'vllm-fcfs'];

const printKernel = (rows: readonly KernelRow[]): void => {
  const table = new Table({
    head: ['policy', 'live programs', 'p50 us', 'p99 us', 'max us', 'events/s'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const row of rows) {
    const { policy, programs, p50Micros, p99Micros, maxMicros, eventsPerSecond } = row;
    table.push([
      policy,
      programs.toLocaleString('en'),
      p50Micros.toFixed(1),
      p99Micros.toFixed(1),
      maxMicros.toFixed(0),
      Math.round(eventsPerSecond).toLocaleString('en'),
    ]);
  }
  console.log(`Kernel: time of one event\n${table.toString()}`);
};

const main = async (): Promise<void> => {
  const command = new Command('npm run bench --')
    .description('Measures Holdfast. Figures of one run compare with each other; another machine gives others.')
    .option('--json <file>', 'write the results as JSON')
    .parse();
  const options = command.opts<{ json?: string }>();
  const kernel: KernelRow[] = [];
  for (const policy of POLICIES) {
    for (const programs of PROGRAMS) {
      process.stderr.write(`kernel, ${policy}, ${programs} programs ...\n`);
      kernel.push(benchKernel(policy, programs));
    }
  }
  printKernel(kernel);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ kernel }, null, 2)}\n`);
};

await main();
