import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { seconds } from '@holdfast/scheduling';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Interrupted, UsageError } from '../cli/exit.js';
import type { CompareSettings } from '../experiment/settings.js';
import type { Summary } from '../measure/summary-row.js';
import { silentProgress } from '../output/progress.js';
import { compare } from './compare.js';
import { knee } from './knee.js';
import { report } from './report.js';

const SCHEMA = fileURLToPath(new URL('../../../../docs/schemas/holdfast.lab.summary.v1.schema.json', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-compare-'));
const trace = join(folder, 'trace.jsonl');

/** Twenty programs of one to eight turns; one has a name that a page must not take as its own. */
const writeTrace = (): void => {
  const programs = Array.from({ length: 20 }, (_, index) => ({
    program: index === 7 ? '<script>alert(1)</script>' : `program-${index}`,
    turns: Array.from({ length: 1 + (index % 8) }, (__, turn) => ({
      prompt: 3_000 + 1_500 * turn,
      output: 40 + index,
      tool: 'bash',
      gapSeconds: 0.5 * (turn + 1),
    })),
  }));
  writeFileSync(trace, programs.map((program) => JSON.stringify(program)).join('\n'));
};

const settings = (overrides: Partial<CompareSettings> = {}): CompareSettings => ({
  traces: [{ name: 'small', file: trace }],
  policies: ['continuum', 'vllm-fcfs', 'static-ttl:ttl=120s'],
  engines: ['h100-llama-3.1-8b'],
  engineCounts: [1],
  seeds: 2,
  loads: [0.5, 0.9],
  gapCap: seconds(120),
  maxContextTokens: 200_000,
  select: 'all',
  arrival: { arrivals: 'poisson', sizeHintSigma: null },
  disturbance: null,
  programs: 30,
  kvScale: 0.06,
  hostKvScale: 0,
  sharedPromptTokens: 0,
  abilities: 'full',
  tokenBudget: 8_192,
  maxRunningRequests: 256,
  queue: null,
  workers: 0,
  out: null,
  writesDecisions: false,
  writesPerfetto: false,
  chosenProgram: null,
  ...overrides,
});

const io = (signal = new AbortController().signal): Parameters<typeof compare>[1] & { readonly text: () => string } => {
  const output = new PassThrough();
  let text = '';
  output.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { output, progress: silentProgress(), signal, text: () => text };
};

beforeAll(writeTrace);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('lab compare', () => {
  it('measures what is left of a policy on engines that hold no pins, at the loads of those that do', async () => {
    const run = (abilities: 'full' | 'stock'): Promise<Summary> =>
      compare(settings({ abilities, policies: ['holdfast'] }), io());
    const [full, stock] = [(await run('full')).rows, (await run('stock')).rows];
    expect(full.some(({ pins }) => pins.hit > 0)).toBe(true);
    expect(stock.every(({ pins }) => pins.set === 0)).toBe(true);
    expect(stock.map(({ finished }) => finished)).toEqual(full.map(({ finished }) => finished));
  });

  it('counts what host memory takes and brings back, at the loads of engines without it', async () => {
    const out = join(folder, 'host');
    const run = (hostKvScale: number): Promise<Summary> =>
      compare(settings({ out, hostKvScale, policies: ['vllm-fcfs'], loads: [0.9] }), own);
    const own = io();
    const [without, withHost] = [(await run(0)).rows, (await run(2)).rows];
    const validate = new Ajv2020().compile(JSON.parse(readFileSync(SCHEMA, 'utf8')) as object);
    expect(validate(JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')))).toBe(true);
    for (const [index, row] of withHost.entries()) {
      expect(without[index]!).not.toHaveProperty('reloadedTokens');
      expect(row.reloadedTokens).toBeGreaterThan(0);
      expect(row.offloadedTokens).toBeGreaterThanOrEqual(row.reloadedTokens!);
      expect(row.recomputedTokens).toBeLessThan(without[index]!.recomputedTokens);
    }
    expect(own.text().match(/load 1.0 of small on .* = [\d.]+ programs/g)).toHaveLength(2);
    expect(new Set(own.text().match(/= [\d.]+ programs/g)).size).toBe(1);
    expect(own.text().match(/reloaded/g)).toHaveLength(1);
  });

  it('writes a summary that fits its schema, decisions, a trace and a report that needs no network', async () => {
    const out = join(folder, 'all');
    const own = io();
    const summary = await compare(settings({ out, writesDecisions: true, writesPerfetto: true }), own);
    const validate = new Ajv2020().compile(JSON.parse(readFileSync(SCHEMA, 'utf8')) as object);
    const written = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
    expect([validate(written), validate.errors]).toEqual([true, null]);
    expect(written).toEqual(summary);
    expect(written.rows.map(({ policy, load, seed }) => `${policy} ${load} ${seed}`)).toHaveLength(12);
    for (const { programs, finished } of written.rows) expect([programs, finished]).toEqual([30, 30]);
    const [decision] = readFileSync(join(out, 'decisions.jsonl'), 'utf8').split('\n');
    expect(JSON.parse(decision!)).toMatchObject({ trace: 'small', policy: 'continuum', load: 0.5, seed: 1 });
    const html = readFileSync(join(out, 'report.html'), 'utf8');
    expect(html.match(/<svg/g)!.length).toBeGreaterThan(15);
    expect(html).not.toContain('<script');
    expect(html.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:|@import|src=/);
    expect(own.text()).toContain('load 1.0 of small');
    writeFileSync(join(out, 'report.html'), 'an old one');
    const again = io();
    report(out, again.output);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toBe(html);
    expect(again.text()).toContain('load 1.0 of small');
  });

  it('gives every policy the same prompts', async () => {
    const { rows } = await compare(settings(), io());
    for (const load of [0.5, 0.9]) {
      const tokens = rows.filter((row) => row.load === load && row.seed === 2).map(({ promptTokens }) => promptTokens);
      expect(new Set(tokens).size).toBe(1);
    }
  });

  it('goes on where it was interrupted, and ends with the same numbers', async () => {
    const out = join(folder, 'interrupted');
    const cells = join(out, 'cells.jsonl');
    const abort = new AbortController();
    const first = io(abort.signal);
    const stopsAfterFour = silentProgress();
    let begun = 0;
    const progress = {
      ...first.progress,
      expect: (jobs: number) => stopsAfterFour.expect(jobs),
      skip: () => stopsAfterFour.skip(),
      end: () => stopsAfterFour.end(),
      begin: () => (share: number) => {
        if (share < 1) return;
        begun += 1;
        if (begun === 4) abort.abort();
      },
    };
    await expect(compare(settings({ out }), { ...first, progress })).rejects.toThrow(Interrupted);
    expect(existsSync(join(out, 'summary.json'))).toBe(false);
    const kept = readFileSync(cells, 'utf8');
    expect(kept.trim().split('\n')).toHaveLength(4);
    writeFileSync(cells, `${kept}{"key":"half a li`);
    const early = io();
    report(out, early.output);
    expect(early.text()).toContain('continuum');
    const resumed = await compare(settings({ out }), io());
    const lines = readFileSync(cells, 'utf8').split('\n');
    writeFileSync(join(out, 'cells.jsonl'), `${lines.slice(0, -2).join('\n')}\n`);
    const most = io();
    report(out, most.output);
    expect(most.text()).toContain('cells are left out');
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('Load 0.5');
    writeFileSync(cells, lines.join('\n'));
    expect(readFileSync(cells, 'utf8').startsWith(kept)).toBe(true);
    expect(readFileSync(cells, 'utf8').trim().split('\n')).toHaveLength(13);
    expect(resumed).toEqual(await compare(settings(), io()));
  });

  it('runs every second program only, and each of them in one half', async () => {
    const alone = { loads: [0.5], policies: ['continuum'], seeds: 1, programs: null };
    const tokens = await Promise.all(
      (['all', 'even', 'odd'] as const).map(async (select) => {
        const { rows } = await compare(settings({ ...alone, select }), io());
        return [rows[0]!.programs, rows[0]!.promptTokens] as const;
      }),
    );
    const [all, even, odd] = tokens;
    expect([even![0], odd![0]]).toEqual([10, 10]);
    expect(even![1] + odd![1]).toBe(all![1]);
  });

  it('takes arrivals from the trace, and sizes from the clients', async () => {
    const file = join(folder, 'timed.jsonl');
    const lines = readFileSync(trace, 'utf8').split('\n');
    const timed = lines.map((line, index) =>
      JSON.stringify({ ...(JSON.parse(line) as object), arrivalSeconds: index * index }),
    );
    writeFileSync(file, timed.join('\n'));
    const own = io();
    const arrival = { arrivals: 'trace', sizeHintSigma: 0.5 } as const;
    const timedSettings = { traces: [{ name: 'timed', file }], arrival, programs: 15, policies: ['holdfast'] };
    const { rows } = await compare(settings(timedSettings), own);
    for (const { finished } of rows) expect(finished).toBe(15);
    expect(own.text()).toMatch(/the times of the trace are load \d/);
    await expect(compare(settings({ arrival }), io())).rejects.toThrow('does not say when its programs came');
    await expect(compare(settings({ ...timedSettings, programs: 21 }), io())).rejects.toThrow('--programs is 21');
    const unhinted = { ...arrival, sizeHintSigma: null };
    await expect(compare(settings({ ...timedSettings, programs: null, arrival: unhinted }), io())).rejects.toThrow(
      '--seeds is 2',
    );
  });

  it('takes a bound as a policy', async () => {
    const { rows } = await compare(settings({ policies: ['alone', 'clairvoyant', 'vllm-fcfs'], loads: [0.9] }), io());
    const mean = (policy: string): number =>
      rows.filter((row) => row.policy === policy).reduce((sum, row) => sum + row.jctSeconds.mean, 0);
    expect(mean('alone')).toBeLessThan(mean('clairvoyant'));
    expect(mean('alone')).toBeLessThan(mean('vllm-fcfs'));
  });

  it('says before it begins that a context does not fit an engine', async () => {
    const out = join(folder, 'too-small');
    await expect(compare(settings({ out, kvScale: 0.01 }), io())).rejects.toThrow(UsageError);
    expect(existsSync(out)).toBe(false);
  });
});

describe('lab knee', () => {
  it('finds the largest load on the grid within 1.5 times the JCT at 0.2', async () => {
    const out = join(folder, 'knee');
    const [row] = await knee(settings({ out, policies: ['vllm-fcfs'], seeds: 1, programs: 300 }), io());
    const { sustainableLoad, meanJctSeconds } = row!;
    const limit = 1.5 * meanJctSeconds[0]!.seconds;
    expect(meanJctSeconds[0]!.load).toBe(0.2);
    expect(meanJctSeconds.find(({ load }) => load === sustainableLoad)!.seconds).toBeLessThanOrEqual(limit);
    const beyond = meanJctSeconds.filter(({ load }) => load > sustainableLoad);
    expect(beyond.length).toBeGreaterThan(0);
    for (const { seconds: jct } of beyond) expect(jct).toBeGreaterThan(limit);
    expect(JSON.parse(readFileSync(join(out, 'knee.json'), 'utf8'))).toEqual({ rows: [row] });
  });
});
