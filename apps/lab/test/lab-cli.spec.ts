import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

/** The built command, as `npm run lab` starts it; `npm test` builds it first. */
const ENTRY = fileURLToPath(new URL('../dist/main.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-cli-'));
const trace = join(folder, 'trace.jsonl');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const lab = async (...args: string[]): Promise<Ended> => {
  const child = spawn(process.execPath, [ENTRY, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, stdout, stderr };
};

const compareInto = (out: string, workers: string): Promise<Ended> =>
  lab(
    ...['compare', '--trace', trace, '--policies', 'continuum,program-fcfs', '--load', '0.5,0.9', '--seeds', '2'],
    ...['--kv-scale', '0.06', '--workers', workers, '--out', out],
  );

beforeAll(() => {
  const programs = Array.from({ length: 12 }, (_, index) => ({
    program: `program-${index}`,
    turns: Array.from({ length: 1 + (index % 5) }, (__, turn) => ({
      prompt: 3_000 * (turn + 1),
      output: 30,
      tool: 'bash',
      gapSeconds: 1,
    })),
  }));
  writeFileSync(trace, programs.map((program) => JSON.stringify(program)).join('\n'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the lab as a command', () => {
  it('gives the same numbers for any number of workers', async () => {
    const summaries = await Promise.all(
      ['0', '1', '3'].map(async (workers) => {
        const out = join(folder, `workers-${workers}`);
        const { code, stderr } = await compareInto(out, workers);
        expect([code, stderr]).toEqual([0, '']);
        return readFileSync(join(out, 'summary.json'), 'utf8');
      }),
    );
    expect(new Set(summaries).size).toBe(1);
  });

  it('inspects a trace', async () => {
    const { code, stdout } = await lab('inspect', trace);
    expect(code).toBe(0);
    expect(stdout).toContain('format holdfast\n12 programs, 33 turns');
  });

  it('prints of real engines what the document says, and every target is met', async () => {
    const { code, stdout } = await lab('fidelity', '--parts', 'engines');
    expect(code).toBe(0);
    const document = readFileSync(new URL('../../../docs/fidelity.md', import.meta.url), 'utf8');
    expect(document).toContain(stdout.trimEnd());
    expect(stdout).toContain('Every target is met.');
  });

  it('answers shells that ask for the rest of a word, with a script that bash can read', async () => {
    const complete = async (...words: string[]): Promise<string[]> => {
      const { stdout } = await lab('complete', '--', ...words);
      return stdout.split('\n').flatMap((line) => (/^(:\d+)?$/.test(line) ? [] : [line.split('\t')[0]!]));
    };
    expect(await complete('pre')).toEqual(['predictors']);
    expect(await complete('compare', '--arr')).toEqual(['--arrivals']);
    expect(await complete('compare', '--policies', 'continuum,inf')).toEqual([
      ...['continuum,infinite-pin', 'continuum,infercept', 'continuum,infinite-kv'],
    ]);
    const { stdout } = await lab('complete', 'bash');
    const bash = spawn('bash', ['-n'], { stdio: ['pipe', 'ignore', 'pipe'] });
    bash.stdin.end(stdout);
    expect(await text(bash.stderr)).toBe('');
    expect(stdout).toContain('complete -o default -F __lab_complete lab');
  });

  it('says of each section of the figures whether they are of this code', async () => {
    const document = join(folder, 'results.md');
    writeFileSync(
      document,
      '<!-- begin knee: 2026-01-02, commit abc1234, code 0 -->\n\n## Knee\n\n<!-- end knee -->\n',
    );
    const { code, stdout } = await lab('policy-tables', '--check', '--markdown', document);
    expect(code).toBe(1);
    expect(stdout).toContain(`load: not in ${document}\n`);
    expect(stdout).toContain('knee: 2026-01-02, commit abc1234, of other code\n');
  });

  const own = (turn: object): string => JSON.stringify({ program: 'p', turns: [{ prompt: 9, output: 1, ...turn }] });
  const packed = gzipSync(
    Array.from({ length: 400 }, (_, index) => own({}).replace('"p"', `"program ${index * index}"`)).join('\n'),
  );
  it.each([
    ['a gzip file that ends early', packed.subarray(0, packed.length - 20), 'is a gzip file that ends early'],
    ['a negative gap', own({ gapSeconds: -1 }), 'line 1: field "turns[0].gapSeconds" is -1'],
    ['a huge token count', own({ prompt: 1e12 }), 'line 1: field "turns[0].prompt" is 1000000000000'],
    ['a program twice', `${own({})}\n${own({})}`, 'line 2: field "program" "p" names a program that was there before'],
    ['an empty file', '', 'has no programs'],
    ['a binary file', Buffer.from([0x89, 0x50, 0, 1, 2]), 'is binary'],
  ])(
    'answers %s with one line and exit code 2, and writes nothing',
    async (name, content, message) => {
      const bad = join(folder, `${name}.jsonl`);
      const out = join(folder, `out of ${name}`);
      writeFileSync(bad, content);
      const compared = await lab('compare', '--trace', `bad=${bad}`, '--policies', 'continuum', '--out', out);
      expect(compared).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
      expect(compared.stderr.trimEnd()).not.toContain('\n');
      expect(compared.stderr).toContain(bad);
      expect(existsSync(out)).toBe(false);
    },
    60_000,
  );

  it.each([
    ['an unknown shell', ['complete', 'tcsh'], 'shell is "tcsh"; allowed are bash, zsh, fish'],
    ['a folder without results', ['report', folder], 'holds no cells that can be compared'],
    ['a trace that is not there', ['inspect', join(folder, 'none')], 'none: does not exist\n'],
    ['an unknown policy', ['compare', '--trace', 'x', '--policies', 'magic'], 'policy "magic" is unknown'],
    ['an unknown engine', ['compare', '--trace', 'x', '--policies', 'continuum', '--engine', 'abacus'], '"abacus"'],
    ['a burst of nobody', ['compare', '--trace', 'x', '--policies', 'continuum', '--arrivals', 'burst:0'], 'burst:N'],
    ['a strange disturbance', ['compare', '--trace', 'x', '--policies', 'continuum', '--disturb', 'rain'], '"rain"'],
    ['files without a folder', ['compare', '--trace', 'x', '--policies', 'continuum', '--decisions'], '--out'],
    ['a run that is not there', ['fidelity', '--data', folder], 'requests.jsonl: cannot be read'],
    ['tables without traces', ['policy-tables'], '--weka FILE'],
    ['a section that is not there', ['policy-tables', '--only', 'weather'], '"weather"'],
    ['no trace', ['knee', '--policies', 'continuum'], '--trace'],
  ])('answers %s with exit code 2, and prints nothing else', async (_, args, message) => {
    const { code, stdout, stderr } = await lab(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});
