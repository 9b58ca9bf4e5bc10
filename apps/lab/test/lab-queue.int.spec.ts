import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgres } from '@holdfast/platform';
import { hasRedis, startRedis } from '@holdfast/testing/processes';

/** The built command: workers are processes, and have the code of whoever asks. */
const ENTRY = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const TIMEOUT_MS = 180_000;

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-queue-'));
const trace = join(folder, 'trace.jsonl');
const children: ChildProcess[] = [];

const start = (...args: string[]): ChildProcess => {
  const child = spawn(process.execPath, [ENTRY, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
};

const lab = async (...args: string[]): Promise<{ readonly code: number | null; readonly stderr: string }> => {
  const child = start(...args);
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [stderr, [code]] = await Promise.all([text(child.stderr!), closed, text(child.stdout!)]);
  return { code, stderr };
};

const compareInto = (
  out: string,
  ...how: string[]
): Promise<{ readonly code: number | null; readonly stderr: string }> =>
  lab(
    ...['compare', '--trace', trace, '--policies', 'continuum,program-fcfs', '--load', '0.9', '--seeds', '2'],
    ...['--kv-scale', '0.06', '--out', join(folder, out), ...how],
  );

const writeTrace = (output: number): void => {
  const turns = [1, 2, 3].map((turn) => ({ prompt: 3_000 * turn, output, tool: 'bash', gapSeconds: 1 }));
  const programs = Array.from({ length: 12 }, (_, index) => JSON.stringify({ program: `program-${index}`, turns }));
  writeFileSync(trace, programs.join('\n'));
};

/** What may carry the queue: started for the test, and stopped after it. */
const stores: Readonly<Record<string, () => Promise<{ readonly url: string; stop(): Promise<void> }>>> = {
  PostgreSQL: () => startPostgres({ durable: false }),
  ...(hasRedis() ? { Redis: startRedis } : {}),
};

beforeAll(() => {
  writeTrace(30);
  if (!hasRedis())
    process.stdout.write('the lab on Redis: not tried, no redis-server found and REDIS_URL is not set\n');
});

afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

describe('the lab on a queue', () => {
  it.each(Object.keys(stores))(
    'gives the numbers of its own threads, whoever works, on %s',
    async (name) => {
      const store = await stores[name]!();
      try {
        const workers = [1, 2].map(() => start('work', '--queue', store.url, '--workers', '1'));
        const [own, queued] = await Promise.all([
          compareInto(`own ${name}`, '--workers', '1'),
          compareInto(`queued ${name}`, '--workers', 'bullmq', '--queue', store.url),
        ]);
        expect([own.code, queued]).toEqual([0, { code: 0, stderr: expect.not.stringContaining('failed') }]);
        const summary = (out: string): string => readFileSync(join(folder, out, 'summary.json'), 'utf8');
        expect(summary(`queued ${name}`)).toBe(summary(`own ${name}`));
        for (const worker of workers) {
          worker.kill('SIGTERM');
          expect(await once(worker, 'close')).toEqual([0, null]);
        }
      } finally {
        await store.stop();
      }
    },
    TIMEOUT_MS,
  );

  it(
    'says at once that no queue answers, and what a queue is',
    async () => {
      const nowhere = await compareInto('nowhere', '--workers', 'bullmq', '--queue', 'postgresql://127.0.0.1:1/x');
      expect(nowhere).toEqual({ code: 2, stderr: expect.stringContaining('where no queue answers') });
      const other = await compareInto('other', '--workers', 'bullmq', '--queue', 'http://127.0.0.1');
      expect(other).toEqual({ code: 2, stderr: expect.stringContaining('allowed are postgresql://') });
      const unnamed = await compareInto('unnamed', '--workers', 'bullmq');
      expect(unnamed).toEqual({ code: 2, stderr: expect.stringContaining('name the queue with --queue') });
    },
    TIMEOUT_MS,
  );
});
