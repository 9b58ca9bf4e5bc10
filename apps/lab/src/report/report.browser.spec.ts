import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { micros } from '@holdfast/scheduling';
import type { RecordedProgram } from '@holdfast/simulation';
import { chromium, type Browser } from 'playwright-core';
import type { CellJob, CellResult } from '../cells/job.js';
import { runJob } from '../cells/run-job.js';
import { reportHtml } from './report-html.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

const programs = Array.from({ length: 12 }, (_, index): RecordedProgram => ({
  programId: `a program with a rather long name ${index}`,
  programClass: 'c',
  turns: Array.from({ length: 4 }, (__, turn) => ({
    promptTokens: 2_000 * (turn + 1),
    sharedTokens: turn === 0 ? 0 : 2_000 * turn,
    outputTokens: 50,
    tool: 'bash',
    gap: micros(turn === 3 ? 0 : 1_500_000),
  })),
}));

const cell = (policy: string, load: number): CellResult => {
  const pool = { engine: 'h100-llama-3.1-8b', engines: 1, kvScale: 0.05, tokenBudget: 8_192, maxRunningRequests: 256 };
  const job: CellJob = {
    kind: 'cell',
    trace: 'small',
    pool,
    arrival: { arrivals: 'poisson', sizeHintSigma: null },
    policy,
    load,
    seed: 1,
    programs: 12,
    unitProgramsPerSecond: 1,
    ...(load === 0.9 ? { closeUp: { programId: null } } : {}),
  };
  return runJob(job, new Map([['small', programs]]), () => undefined) as CellResult;
};

if (CHROMIUM === undefined) {
  process.stderr.write('report in a browser: no Chromium at a known path, skipped by registration\n');
  describe('report', () => {
    it('is one HTML document', () =>
      expect(reportHtml({ cells: [cell('continuum', 0.5)], units: [] })).toMatch(/^<!doc/));
  });
} else {
  describe('report in Chromium', () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-report-'));
    const file = join(folder, 'report.html');
    let browser: Browser;

    beforeAll(async () => {
      const cells = ['continuum', 'vllm-fcfs'].flatMap((policy) => [0.5, 0.9].map((load) => cell(policy, load)));
      writeFileSync(file, reportHtml({ cells, units: ['load 1.0 is 3600 programs/h'] }));
      browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    });
    afterAll(async () => {
      await browser?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it.each([
      ['a phone in the dark', 390, 'dark', 'rgb(21, 23, 26)'],
      ['a desk by day', 1_280, 'light', 'rgb(255, 255, 255)'],
    ] as const)(
      'fits %s, asks the network for nothing and draws every chart',
      async (_, width, colorScheme, surface) => {
        const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
        const asked: string[] = [];
        page.on('request', (request) => asked.push(request.url()));
        page.on('pageerror', (error) => asked.push(String(error)));
        await page.goto(pathToFileURL(file).href);
        expect(asked).toEqual([pathToFileURL(file).href]);
        const look = await page.evaluate<{ width: number; surface: string; empty: number; charts: number }>(`({
        width: document.documentElement.scrollWidth,
        surface: getComputedStyle(document.body).backgroundColor,
        charts: document.querySelectorAll('figure > svg').length,
        empty: [...document.querySelectorAll('figure > svg')]
          .filter((svg) => svg.getBoundingClientRect().height < 50 || svg.querySelectorAll('rect, path, line, circle').length < 3).length,
      })`);
        expect(look).toEqual({ width, surface, empty: 0, charts: 15 });
        expect(await page.locator('details summary').first().innerText()).toBe('Decision behind each pin');
        await page.close();
      },
    );
  });
}
