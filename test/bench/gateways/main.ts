import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { Command } from 'commander';
import Table from 'cli-table3';
import { startContenders } from './contenders.js';
import { measure, type GatewayRow } from './measure.js';

const CONCURRENCIES = [1, 8];
/** Conversations ahead of it: services that are compiled as they run get to be compiled. */
const WARM_UP = 150;

const say = (what: string): void => void process.stderr.write(`${what} ...\n`);
const ms = (value: number): string => value.toFixed(2);

const print = (rows: readonly GatewayRow[]): void => {
  const head = ['way', 'at once', 'turns', 'TTFT p50', 'TTFT p99', 'total p50', 'total p99'];
  const added = ['added TTFT p50', 'added total p50', 'added, first turns'];
  const table = new Table({ head: [...head, ...added], colAligns: ['left', ...Array(9).fill('right')] });
  for (const row of rows) {
    table.push([
      row.contender,
      String(row.concurrency),
      String(row.turns),
      ...[row.ttftP50Ms, row.ttftP99Ms, row.totalP50Ms, row.totalP99Ms].map(ms),
      ...[row.addedTtftP50Ms, row.addedTotalP50Ms, row.addedFirstTurnP50Ms].map(ms),
    ]);
  }
  console.log(table.toString());
  for (const { contender, concurrency, failure } of rows) {
    if (failure !== null) console.log(`${contender}, ${concurrency} at once, was asked no more after ${failure}`);
  }
};

const main = async (): Promise<void> => {
  const command = new Command('npm run bench:gateways --')
    .description(
      'Milliseconds of streamed chat completions, 16 tokens each, in conversations of 10 turns: through the gRPC front ' +
        'of one simulated engine that takes a tenth of its time, and what Holdfast and other gateways add to it.',
    )
    .option('--conversations <number>', 'conversations of each way and concurrency', '40')
    .option('--json <file>', 'write the results as JSON')
    .parse();
  const { conversations, json } = command.opts<{ conversations: string; json?: string }>();
  const count = Number(conversations);
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`--conversations is "${conversations}"; allowed: a whole number of at least 1`);
  }
  const bin = process.env['GATEWAYS_BIN'];
  if (bin === undefined) throw new Error('GATEWAYS_BIN is not set; run: npm run bench:gateways');
  const contenders = await startContenders(bin, (what) => say(`starting ${what}`));
  try {
    say('warm-up');
    await measure(contenders.all, { concurrency: 1, conversations: WARM_UP });
    const rows: GatewayRow[] = [];
    for (const concurrency of CONCURRENCIES) {
      say(`${concurrency} conversations at once`);
      rows.push(...(await measure(contenders.all, { concurrency, conversations: count })));
    }
    print(rows);
    console.log(`load average at the end: ${loadavg().map(ms).join(', ')}`);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ rows }, null, 2)}\n`);
  } finally {
    await contenders.stop();
  }
};

await main();
