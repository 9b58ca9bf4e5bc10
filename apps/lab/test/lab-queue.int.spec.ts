import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';

/** The built command: workers are processes, and have the code of whoever asks. */
const ENTRY = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const TIMEOUT_MS = 180_000;

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-queue-'));
const trace = join(folder, 'trace.jsonl');
const children: ChildProcess[] = [];
let postgres: EmbeddedPostgres;

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

beforeAll(async () => {
  writeTrace(30);
  postgres = await startPostgres({ durable: false });
}, TIMEOUT_MS);

afterAll(async () => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
}, TIMEOUT_MS);

describe('the lab on a queue', () => {
  it(
    'gives the numbers of its own threads, whoever works',
    async () => {
      const workers = [1, 2].map(() => start('work', '--queue', postgres.url, '--workers', '1'));
      const [own, queued] = await Promise.all([
        compareInto('own', '--workers', '1'),
        compareInto('queued', '--workers', 'bullmq', '--queue', postgres.url),
      ]);
      expect([own.code, queued]).toEqual([0, { code: 0, stderr: expect.not.stringContaining('failed') }]);
      const summary = (out: string): string => readFileSync(join(folder, out, 'summary.json'), 'utf8');
      expect(summary('queued')).toBe(summary('own'));
      for (const worker of workers) {
        worker.kill('SIGTERM');
        expect(await once(worker, 'close')).toEqual([0, null]);
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
