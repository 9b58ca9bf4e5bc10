import { describe, expect, it } from '@jest/globals';
import type { KneeRow } from '../commands/knee.js';
import type { SummaryRow } from '../measure/summary-row.js';
import { Cells } from './cells.js';
import { readDocument, writeDocument, type Written } from './document.js';
import { countCells, toComparison } from './run-sections.js';
import { SECTIONS } from './sections.js';
import { jctTable, ratioTable } from './tables.js';

const RUNS = { agentcgroup: 'ag.jsonl', weka: 'wk.jsonl', out: 'cells', workers: 0 };

const row = (
  policy: string,
  load: number,
  { seed, mean }: { readonly seed: number; readonly mean: number },
): SummaryRow =>
  ({
    ...{ trace: 't', engine: 'e', engines: 1, policy, load, seed, programs: 1, finished: 1 },
    jctSeconds: { mean, p50: mean, p95: mean, p99: mean, max: 2 * mean },
    ttftSeconds: { mean: 1, p50: 1, p95: 1, p99: 1, max: 1 },
  }) as SummaryRow;

/** `holdfast` takes 100 s a program with the first seed, every other policy `factor` times that; the second takes twice that. */
const cellsOf = (policies: readonly string[], loads: readonly number[], factor: number): Cells =>
  new Cells(
    policies.flatMap((policy) =>
      loads.flatMap((load) =>
        [1, 2].map((seed) => row(policy, load, { seed, mean: 100 * seed * (policy === 'holdfast' ? 1 : factor) })),
      ),
    ),
  );

/** What a section would find if every other policy took `factor` times as long. */
const foundBy = (
  section: (typeof SECTIONS)[number],
  factor: number,
): Parameters<(typeof SECTIONS)[number]['write']>[0] => ({
  cells: (name) => {
    const { policies, loads } = toComparison(section.compares[name]!, RUNS);
    return cellsOf(policies, loads, factor);
  },
  knee: () =>
    ['vllm-fcfs', 'continuum', 'holdfast'].map((policy) => ({
      ...{ trace: 't', engine: 'e', engines: 1, policy, programsPerHour: 90, meanJctSeconds: [] },
      sustainableLoad: policy === 'holdfast' ? 0.4 * factor : 0.4,
    })) satisfies KneeRow[],
});

describe('cells', () => {
  const cells = new Cells([
    ...[100, 400].map((mean, index) => row('a', 0.5, { seed: index + 1, mean })),
    ...[50, 100].map((mean, index) => row('b', 0.5, { seed: index + 1, mean })),
  ]);

  it('pair ratios by seed: the geometric mean, and the worst one', () => {
    const { value, worst } = cells.ratio('a', 'b', 0.5);
    expect(value).toBeCloseTo(Math.sqrt(8));
    expect(worst).toBe(4);
    expect(ratioTable(cells, 'b')).toContain('| 2.83 (4.00) |');
  });

  it('show the mean over seeds and the longest program of any', () => {
    expect(jctTable(cells)).toContain('| 0.5  | 250.0 (800) | 75.0 (200) |');
  });

  it('refuse what was not run, and say what was', () => {
    expect(() => cells.of('c', 0.5)).toThrow('c at 0.5 was not run; there are a,b at 0.5');
  });
});

describe('sections of the document', () => {
  it.each(SECTIONS.map((section) => [section.name, section] as const))(
    '%s: every command is one that the lab takes, and its tables find what they show',
    (_, section) => {
      expect(countCells(section, RUNS) + Object.keys(section.knees ?? {}).length).toBeGreaterThan(0);
      const text = section.write(foundBy(section, 2));
      expect(text).not.toMatch(/NaN|undefined|Infinity/);
      expect(text).toMatch(/^\|/m);
    },
  );

  it('judge the goals by the figures', () => {
    const goals = SECTIONS.find(({ name }) => name === 'goals')!;
    const better = goals.write(foundBy(goals, 4));
    const [met, all] = (/(\d+) of (\d+) are met\.$/.exec(better) ?? []).slice(1);
    expect(met).toBe(all);
    // Half as good, with the same time to first token.
    const worse = goals.write(foundBy(goals, 0.5)).split('\n');
    for (const line of worse.filter((each) => each.startsWith('| '))) {
      if (!line.startsWith('| goal')) expect(line.includes('TTFT')).toBe(/\| +yes \|$/.test(line));
    }
    expect(worse.at(-1)).toBe(`3 of ${all} are met.`);
  });

  it('draw a picture that stands by itself', () => {
    const section = SECTIONS.find(({ draw }) => draw !== undefined)!;
    const { svg } = section.draw!(foundBy(section, 2));
    expect(svg).toMatch(/^<svg xmlns=/);
    expect(svg).toContain('>holdfast</text>');
  });
});

describe('the document', () => {
  const section = (name: string, text: string): Written => ({
    ...{ name, text, date: '2026-11-28', commit: 'abc1234', code: '0123456789ab' },
  });

  it('gives back what was written, whatever stands in it', () => {
    const sections = [section('one', '## One\n\n| a |\n\n<!-- a remark -->\n\ntext'), section('two', '## Two')];
    const document = writeDocument(sections);
    expect(readDocument(document)).toEqual(sections);
    expect(writeDocument(readDocument(document))).toBe(document);
  });

  it('has no sections in a file that was written by hand', () => {
    expect(readDocument('# Title\n\n## One\n')).toEqual([]);
  });
});
