import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BuiltProcess, findProcesses } from '@holdfast/testing';

const RUN_MS = 90_000;
const STOP_MS = 30_000;
const TIMEOUT_MS = 2 * RUN_MS + STOP_MS;
const SMALL = ['--programs', '4', '--time-scale', '200'];
const replayEvents = fileURLToPath(new URL('../../apps/demo/dist/replay-events.js', import.meta.url));

let mark = '';
let folder = '';
beforeEach(async () => {
  mark = randomUUID();
  folder = await mkdtemp(join(tmpdir(), `holdfast-e2e-${mark}-`));
  // PostgreSQL may run as another account, which must be able to walk through.
  await chmod(folder, 0o755);
});
afterEach(async () => {
  for (const { pid } of findProcesses(mark)) process.kill(pid, 'SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Everything that it starts has the mark in its environment (TMPDIR), or in its command line. */
const startDemo = (args: readonly string[]): BuiltProcess =>
  new BuiltProcess({ entry: 'apps/demo/dist/main.js', args, env: { TMPDIR: folder } });

const leftFolders = async (): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.startsWith('holdfast-'));

const runDemo = async (args: readonly string[]): Promise<BuiltProcess> => {
  const demo = startDemo(args);
  const end = await demo.ended(RUN_MS);
  expect({ ...end, log: end.exitCode === 0 ? '' : demo.log }).toEqual({ exitCode: 0, signal: null, log: '' });
  return demo;
};

/** Until turns have run: a line of progress is there. */
const startedDemo = async (): Promise<BuiltProcess> => {
  const demo = startDemo(['--programs', '20', '--time-scale', '10', '--policies', 'continuum']);
  const deadline = Date.now() + RUN_MS;
  while (!/turns [1-9]/.test(demo.log)) {
    if (Date.now() > deadline) throw new Error(`the demo shows no progress; its log ends with:\n${demo.log}`);
    await sleep(50);
  }
  expect(findProcesses(mark).length).toBeGreaterThan(4);
  return demo;
};

describe('the demo', () => {
  it(
    'compares, leaves nothing behind, works again, and its decisions follow from the recorded events',
    async () => {
      const json = join(folder, 'summary.json');
      const record = join(folder, 'record');
      const policies = ['vllm-fcfs', 'continuum'];
      const demo = await runDemo([...SMALL, '--policies', policies.join(','), '--json', json, '--record', record]);
      expect(demo.output).toMatch(/JCT mean .* continuum|continuum[^]*JCT mean/);
      expect(demo.output).toContain('Against vllm-fcfs, continuum');
      expect(findProcesses(mark)).toEqual([]);
      expect(await leftFolders()).toEqual([]);

      const { schema, rows } = JSON.parse(await readFile(json, 'utf8')) as {
        schema: string;
        rows: { policy: string; programs: number; finished: number; promptTokens: number; pins: { set: number } }[];
      };
      expect(schema).toBe('holdfast.lab.summary/v1');
      expect(rows.map(({ policy, programs, finished }) => ({ policy, programs, finished }))).toEqual(
        policies.map((policy) => ({ policy, programs: 4, finished: 4 })),
      );
      // The same programs in both: the prompts are the same to the token.
      expect(new Set(rows.map(({ promptTokens }) => promptTokens)).size).toBe(1);
      expect(rows.map(({ pins }) => pins.set > 0)).toEqual([false, true]);

      for (const policy of policies) {
        const replay = (): string =>
          execFileSync(process.execPath, [replayEvents, join(record, `${policy}.events.jsonl`)], { encoding: 'utf8' });
        const live = await readFile(join(record, `${policy}.decisions.jsonl`), 'utf8');
        const replayed = replay();
        expect(replayed.length).toBeGreaterThan(1_000);
        expect(replayed === live).toBe(true);
        expect(replay() === replayed).toBe(true);
      }

      await runDemo([...SMALL, '--policies', 'program-fcfs']);
      expect(findProcesses(mark)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'ends with 130 after Ctrl-C and leaves no process and no folder behind',
    async () => {
      const demo = await startedDemo();
      demo.signalGroup('SIGINT');
      expect(await demo.ended(STOP_MS)).toEqual({ exitCode: 130, signal: null });
      expect(findProcesses(mark)).toEqual([]);
      expect(await leftFolders()).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'takes its processes along even when it is killed',
    async () => {
      const demo = await startedDemo();
      demo.signal('SIGKILL');
      await demo.ended(STOP_MS);
      const deadline = Date.now() + STOP_MS;
      while (findProcesses(mark).length > 0 && Date.now() < deadline) await sleep(100);
      expect(findProcesses(mark)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it('refuses a wrong argument with what is allowed', async () => {
    const demo = startDemo(['--policies', 'fifo']);
    expect((await demo.ended(STOP_MS)).exitCode).toBe(2);
    expect(demo.log).toMatch(/policy "fifo" is unknown; known are vllm-fcfs/);
  });
});
