/**
 * Programs by the hundred over minutes, with clients that stall, vanish and send garbage: what is left afterwards. Ends with
 * exit 1 when memory has grown by more than a tenth, or a turn is stuck.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { program as wire } from '@holdfast/contracts';
import { ServiceProcesses } from '@holdfast/testing/processes';
import { Command } from 'commander';
import { runClient, type Manner, type SoakCounts } from './programs.js';

const MODEL = 'sim-llama-3.1-8b';
const TIME_SCALE = 20;
/** Idle limit of programs, in real seconds: all have ended by the last look. */
const IDLE_SECONDS = 30;
const STALL_SECONDS = 5;
const MAX_GROWTH = 0.1;
const SETTLE_MS = 45_000;
const MANNERS: readonly Manner[] = [
  'good',
  'good',
  'good',
  'good',
  'good',
  'good',
  'good',
  'stalls',
  'vanishes',
  'garbage',
];

interface Look {
  readonly rssMiB: number;
  readonly heapMiB: number;
  readonly livePrograms: number;
}

const say = (what: string): void => void process.stderr.write(`${what}\n`);

const main = async (): Promise<void> => {
  const options = new Command('npm run soak --')
    .description('Programs that stream at once, a tenth each of clients that stall, vanish and send garbage.')
    .option('--programs <number>', 'clients at once', '500')
    .option('--minutes <number>', 'how long', '5')
    .option('--json <file>', 'write the results as JSON')
    .parse()
    .opts<{ programs: string; minutes: string; json?: string }>();
  const [programs, minutes] = [Number(options.programs), Number(options.minutes)];
  if (!Number.isInteger(programs) || programs < 10) {
    throw new Error(`--programs is "${options.programs}"; allowed: a whole number of at least 10`);
  }
  if (!(minutes > 0)) throw new Error(`--minutes is "${options.minutes}"; allowed: a number above 0`);
  const heapFile = new URL('heap-on-signal.js', import.meta.url).href;
  const services = new ServiceProcesses({
    engines: 2,
    timeScale: TIME_SCALE,
    engineArgs: ['--model', MODEL],
    env: {
      NODE_OPTIONS: `--import ${heapFile}`,
      HOLDFAST_OPENAI_IDLE_LIMIT: `${IDLE_SECONDS * TIME_SCALE}s`,
      HOLDFAST_CALLER_STALL_LIMIT: `${STALL_SECONDS}s`,
    },
  });
  try {
    await services.start();
    const soak = new Soak(services);
    say('warm-up: one minute of the same load, so that what is allocated once does not count');
    await soak.load(programs, 60_000);
    const before = await soak.settled();
    say(`before: ${JSON.stringify(before)}`);
    const counts = await soak.load(programs, minutes * 60_000);
    const after = await soak.settled();
    say(`after: ${JSON.stringify(after)}`);
    const growth = after.heapMiB / before.heapMiB - 1;
    const isGood = growth <= MAX_GROWTH && after.livePrograms === 0 && counts.failed === 0 && counts.answered > 0;
    const result = {
      programs,
      minutes,
      before,
      after,
      heapGrowth: growth,
      rssGrowth: after.rssMiB / before.rssMiB - 1,
      counts,
    };
    console.log(JSON.stringify(result, null, 2));
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
    if (!isGood) process.exitCode = 1;
  } finally {
    await services.stop();
  }
};

/** A service under load, looked at from outside. */
class Soak {
  readonly #services: ServiceProcesses;

  constructor(services: ServiceProcesses) {
    this.#services = services;
  }

  /** Runs the clients for so long; their counts. */
  async load(programs: number, forMs: number): Promise<SoakCounts> {
    const counts: SoakCounts = {
      answered: 0,
      refused: 0,
      failed: 0,
      stalled: 0,
      vanished: 0,
      garbage: 0,
      problems: [],
    };
    const end = new AbortController();
    const context = { baseUrl: `http://${this.#services.httpAddress}/v1`, model: MODEL, counts, signal: end.signal };
    const clients = Array.from({ length: programs }, (_, id) =>
      runClient(context, id, MANNERS[id % MANNERS.length] ?? 'good'),
    );
    await sleep(forMs);
    end.abort();
    await Promise.all(clients);
    return counts;
  }

  /** Memory and programs when everybody has left for long enough that every program has ended by its idle limit. */
  async settled(): Promise<Look> {
    await sleep(SETTLE_MS);
    const heapMiB = await this.#heapMiB();
    const status = readFileSync(`/proc/${this.#services.controlPlane.pid}/status`, 'utf8');
    const rssMiB = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024;
    return { rssMiB: Math.round(rssMiB), heapMiB, livePrograms: await this.#livePrograms() };
  }

  /** Heap in use after a full collection, as heap-on-signal.ts says. */
  async #heapMiB(): Promise<number> {
    const { controlPlane } = this.#services;
    const seen = controlPlane.log.length;
    controlPlane.signal('SIGUSR2');
    for (let tries = 0; tries < 100; tries += 1) {
      await sleep(100);
      const found = /heap in use: ([\d.]+) MiB/.exec(controlPlane.log.slice(Math.max(0, seen - 50)));
      if (found !== null) return Number(found[1]);
    }
    throw new Error('the control plane does not tell its heap');
  }

  async #livePrograms(): Promise<number> {
    const client = new wire.ProgramServiceClient(this.#services.address, credentials.createInsecure());
    const states = [
      wire.ProgramState.IDLE,
      wire.ProgramState.QUEUED,
      wire.ProgramState.RUNNING,
      wire.ProgramState.TOOL_CALL,
    ];
    const request = { pageSize: 500, pageToken: '', states, startedAfter: undefined };
    try {
      return await new Promise((resolve, reject) => {
        client.listPrograms(request, (error, answer) => {
          if (error === null) resolve(answer.programs.length);
          else reject(error);
        });
      });
    } finally {
      client.close();
    }
  }
}

await main();
