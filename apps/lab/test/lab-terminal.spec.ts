import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';

/** The built command, as `npm run lab` starts it; `npm test` builds it first. */
const ENTRY = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const TIMEOUT_MS = 120_000;

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-terminal-'));
const children: ChildProcessWithoutNullStreams[] = [];
afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const ANSWERS_WITHIN_MS = 60_000;

/** A process that is typed at. What it prints is gathered. */
const run = (
  file: string,
  args: readonly string[],
): { type(text: string): void; until(text: string): Promise<void> } => {
  const child = spawn(file, args, { env: { ...process.env, TERM: 'dumb', INPUTRC: '/dev/null' } });
  children.push(child);
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (printed += data.toString()));
  return {
    type: (text) => void child.stdin.write(text),
    /** What comes after it is kept for the next wait. */
    until: async (text) => {
      const deadline = performance.now() + ANSWERS_WITHIN_MS;
      while (!printed.includes(text)) {
        if (performance.now() > deadline) throw new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(printed)}`);
        await sleep(20);
      }
      printed = printed.slice(printed.indexOf(text) + text.length);
    },
  };
};

const hasTerminal = spawnSync('script', ['--version']).status === 0 && spawnSync('bash', ['--version']).status === 0;

describe('the lab in a terminal', () => {
  if (!hasTerminal) {
    it('was not tried: bash or script (util-linux) is not there', () => {
      process.stdout.write('completion in bash: not tried, no bash or no script of util-linux found\n');
    });
    return;
  }

  it(
    'completes commands and lists of policies in an interactive bash',
    async () => {
      const bash = run('script', ['-qefc', 'bash --norc --noprofile -i', '/dev/null']);
      // Written apart, so that the echo of what is typed is not taken for the prompt.
      bash.type("PS1='rea''dy> '\n");
      await bash.until('ready> ');
      bash.type(`eval "$('${process.execPath}' '${ENTRY}' complete bash)"\n`);
      await bash.until('ready> ');
      bash.type('lab pre\t');
      await bash.until('dictors ');
      bash.type('--help\n');
      await bash.until('Usage: npm run lab -- predictors');
      await bash.until('ready> ');
      bash.type('lab compare --policies continuum,infi\t');
      await bash.until('nite-');
      bash.type('p\t');
      await bash.until('in ');
      bash.type('--arr\t');
      await bash.until('ivals ');
      bash.type('\u0003');
      await bash.until('ready> ');
      bash.type('exit\n');
      await bash.until('exit');
    },
    TIMEOUT_MS,
  );
});

describe('Ctrl-C', () => {
  it(
    'keeps finished cells, and the same command goes on',
    async () => {
      const trace = join(folder, 'trace.jsonl');
      const turns = Array.from({ length: 20 }, (_, turn) => ({ prompt: 900 * (turn + 1), output: 30, gapSeconds: 1 }));
      const programs = Array.from({ length: 60 }, (_, index) => JSON.stringify({ program: `program-${index}`, turns }));
      writeFileSync(trace, programs.join('\n'));
      const out = join(folder, 'out');
      const cells = join(out, 'cells.jsonl');
      const args = ['compare', '--trace', trace, '--policies', 'continuum', '--load', '0.9', '--seeds', '60'];
      const compare = (): ChildProcessWithoutNullStreams => {
        const child = spawn(process.execPath, [ENTRY, ...args, '--workers', '1', '--out', out]);
        children.push(child);
        child.stdout.resume();
        return child;
      };
      const ended = async (child: ChildProcessWithoutNullStreams): Promise<readonly [number | null, string]> => {
        let log = '';
        child.stderr.on('data', (data: Buffer) => (log += data.toString()));
        const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
        return [code, log];
      };
      const lines = (): readonly string[] =>
        existsSync(cells) ? readFileSync(cells, 'utf8').split('\n').slice(0, -1) : [];
      const first = compare();
      const end = ended(first);
      while (lines().length < 3) await sleep(10);
      first.kill('SIGINT');
      expect(await end).toEqual([130, expect.stringContaining('the same command goes on from there')]);
      const kept = lines();
      expect(kept.length).toBeLessThan(61);
      expect(existsSync(join(out, 'summary.json'))).toBe(false);
      expect(await ended(compare())).toEqual([0, expect.any(String)]);
      expect(lines().slice(0, kept.length)).toEqual(kept);
      // The cells, and load 1.0.
      expect(lines()).toHaveLength(61);
    },
    TIMEOUT_MS,
  );
});
