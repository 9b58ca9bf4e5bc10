import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import Table from 'cli-table3';
import { benchKernel, type KernelRow } from './kernel.js';
import { benchLab, readPrograms, type LabRow } from './lab.js';
import { benchMetrics, type MetricsRow } from './metrics.js';
import { benchRequests, type RequestsRow } from './requests.js';
import { benchText, type TextRow } from './text.js';
import { benchService, type ServiceResults } from './turns.js';

const PROGRAMS = [100, 1_000, 10_000, 100_000];
const POLICIES = ['holdfast', 'continuum', 'vllm-fcfs'];
const SIMULATED_PROGRAMS = [1_000, 10_000, 100_000];
/** Comes with the lab; from test/dist/bench. */
const BUNDLED_TRACE = fileURLToPath(new URL('../../../apps/lab/data/traces/claude-code.jsonl.gz', import.meta.url));

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

const labRows = async (trace: string): Promise<readonly LabRow[]> => {
  const programs = await readPrograms(trace);
  return SIMULATED_PROGRAMS.map((count) => {
    say(`lab, ${whole(count)} programs of ${trace}`);
    return benchLab(programs, count);
  });
};

const printLab = (rows: readonly LabRow[]): void =>
  print(
    'Lab: infinite pins at load 0.8 on one engine; seconds are of CPU, so what else runs does not count',
    ['programs', 'turns', 'CPU s', 'turns/CPU s', 'peak MiB'],
    rows.map((row) => [
      whole(row.programs),
      whole(row.turns),
      row.cpuSeconds.toFixed(1),
      whole(row.turnsPerCpuSecond),
      whole(row.peakMemoryMiB),
    ]),
  );

const printMetrics = ({ what, p50Micros, p99Micros }: MetricsRow): void =>
  print(
    'Metrics: what counting costs',
    ['of', 'p50 us', 'p99 us'],
    [[what, p50Micros.toFixed(1), p99Micros.toFixed(1)]],
  );

const printText = (rows: readonly TextRow[]): void =>
  print(
    'Text: the template and the tokenizer of the simulated engine, by their libraries as installed and as used',
    ['work', 'installed p50 us', 'used p50 us', 'ratio'],
    rows.map((row) => [
      row.work,
      whole(row.installedP50Micros),
      whole(row.usedP50Micros),
      (row.installedP50Micros / row.usedP50Micros).toFixed(1),
    ]),
  );

const printRequests = (rows: readonly RequestsRow[]): void =>
  print(
    'Requests: 256 prompt tokens, 16 output tokens, an engine that takes no time; by calls and over a request stream, in turn',
    ['way', 'first token p50 ms', 'p99 ms', 'end p50 ms', 'CPU of the caller, ms'],
    rows.map((row) => [
      row.way,
      ms(row.firstTokenP50Ms),
      ms(row.firstTokenP99Ms),
      ms(row.endP50Ms),
      ms(row.callerCpuMs),
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

/** Each part measures, prints and gives what the JSON file is to hold. */
const PARTS: Readonly<Record<string, (trace: string) => Promise<object>>> = {
  kernel: () => {
    const kernel = kernelRows();
    printKernel(kernel);
    return Promise.resolve({ kernel });
  },
  lab: async (trace) => {
    const lab = await labRows(trace);
    printLab(lab);
    return { lab };
  },
  metrics: async () => {
    const metrics = await benchMetrics();
    printMetrics(metrics);
    return { metrics };
  },
  text: async () => {
    const text = await benchText();
    printText(text);
    return { text };
  },
  requests: async () => {
    const requests = await benchRequests();
    printRequests(requests);
    return { requests };
  },
  service: async () => {
    const results = await benchService(say);
    printService(results);
    return results;
  },
};

const main = async (): Promise<void> => {
  const command = new Command('npm run bench --')
    .description('Measures Holdfast. Figures of one run compare with each other; another machine gives others.')
    .option('--json <file>', 'write the results as JSON')
    .option('--trace <file>', 'programs that the lab simulates', BUNDLED_TRACE)
    .addOption(new Option('--only <part>', 'one part').choices(Object.keys(PARTS)))
    .parse();
  const { json, only, trace } = command.opts<{ json?: string; only?: string; trace: string }>();
  const results = {};
  for (const [part, measure] of Object.entries(PARTS)) {
    if (only === undefined || only === part) Object.assign(results, await measure(trace));
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
};

await main();
