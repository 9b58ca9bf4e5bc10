import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Holdfast, type ProgramInfo } from '@holdfast/sdk';
import { BuiltProcess, ServiceProcesses } from '@holdfast/testing';

const TIMEOUT_MS = 90_000;
const TIME_SCALE = 50;
const services = new ServiceProcesses({ engines: 1, timeScale: TIME_SCALE });
const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-replay-'));
const trace = join(folder, 'trace.jsonl');

/** Six programs of three turns; the second turn of each forgets a part of its context. */
const PROGRAMS = Array.from({ length: 6 }, (_, index) => ({
  program: `program ${index}`,
  class: 'replayed',
  turns: [
    { prompt: 1_000 + 16 * index, output: 20, tool: 'bash:npm test', gapSeconds: 2 },
    { prompt: 900, shared: 800, output: 10, gapSeconds: 3 },
    { prompt: 1_200, output: 5 },
  ],
}));

const lab = async (
  command: string,
  ...args: string[]
): Promise<{ readonly exitCode: number | null; readonly text: string }> => {
  const process = new BuiltProcess({ entry: 'apps/lab/dist/main.js', args: [command, '--trace', trace, ...args] });
  const { exitCode } = await process.ended(TIMEOUT_MS);
  return { exitCode, text: process.output + process.log };
};

beforeAll(async () => {
  writeFileSync(trace, PROGRAMS.map((program) => JSON.stringify(program)).join('\n'));
  await services.start();
}, TIMEOUT_MS);

afterAll(async () => {
  await services.stop();
  rmSync(folder, { recursive: true, force: true });
}, TIMEOUT_MS);

describe('lab replay', () => {
  it(
    'runs the programs of a trace on a live service, with their tokens, gaps and tools',
    async () => {
      const where = ['--address', services.address, '--rate', '3600', '--time-scale', String(TIME_SCALE)];
      const { exitCode, text } = await lab('replay', ...where, '--out', folder);
      expect([exitCode, text]).toEqual([0, expect.stringContaining('6 of 6 programs finished, 18 turns')]);
      const { result } = JSON.parse(readFileSync(join(folder, 'replay.json'), 'utf8')) as {
        readonly result: Readonly<Record<string, number> & { readonly jctSeconds: { readonly mean: number } }>;
      };
      const promptTokens = PROGRAMS.flatMap(({ turns }) => turns).reduce((sum, { prompt }) => sum + prompt, 0);
      expect(result).toMatchObject({
        programs: 6,
        finished: 6,
        failures: [],
        turns: 18,
        promptTokens,
        outputTokens: 210,
      });
      // Memory is ample, so the same is cached as in the simulator: whole blocks of 800 and of 910 shared tokens.
      const simulated = await lab(
        'simulate',
        '--policies',
        'holdfast',
        '--load',
        '0.1',
        '--workers',
        '1',
        '--out',
        folder,
      );
      expect(simulated.exitCode).toBe(0);
      const { rows } = JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8')) as {
        readonly rows: readonly Readonly<Record<string, number>>[];
      };
      for (const figure of ['promptTokens', 'cachedTokens', 'recomputedTokens', 'outputTokens']) {
        expect([figure, result[figure]]).toEqual([figure, rows[0]![figure]]);
      }
      expect(result['cachedTokens']).toBe(6 * (800 + 896));
      expect(result.jctSeconds.mean).toBeGreaterThanOrEqual(5);
      const holdfast = new Holdfast({ address: services.address });
      const programs: ProgramInfo[] = [];
      for await (const program of holdfast.list()) programs.push(program);
      holdfast.close();
      expect(programs.map(({ name }) => name).sort()).toEqual(PROGRAMS.map(({ program }) => program));
      for (const program of programs) {
        expect(program).toMatchObject({
          state: 'completed',
          turnsFinished: 3,
          toolCallsEnded: 1,
          contextTokens: 1_205,
        });
      }
    },
    TIMEOUT_MS,
  );

  it(
    'says at once that no service answers',
    async () => {
      const { exitCode, text } = await lab('replay', '--address', '127.0.0.1:1', '--rate', '10');
      expect(exitCode).toBe(2);
      expect(text).toContain('--address is 127.0.0.1:1, where no service answers');
    },
    TIMEOUT_MS,
  );
});
