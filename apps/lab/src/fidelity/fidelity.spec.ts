import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { BUNDLED_RUNS } from '../commands/fidelity.js';
import { engineRuns } from './engine-runs.js';
import { fitStepTimes } from './fit-step-times.js';
import { latenciesOf } from './latencies.js';
import { latencyErrors } from './latency-errors.js';
import { publishedSetups } from './published-setups.js';
import { publishedPrograms } from './published-workload.js';
import { readRecordedRequests } from './recorded-requests.js';
import { simulateRequests } from './simulate-requests.js';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-fidelity-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const line = (overrides: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    ...{ request_id: 'a', input_toks: 10, output_toks: 3, arrival_time: 5, queued_ts: 105.2 },
    ...{ first_token_ts: 106, last_token_ts: 107 },
    ...overrides,
  });

const written = (...lines: readonly string[]): string => {
  const file = join(folder, 'run.jsonl');
  writeFileSync(file, lines.join('\n'));
  return file;
};

describe('recorded requests', () => {
  it('are put on one clock by the request that was queued soonest', () => {
    const file = written(line(), line({ request_id: 'b', arrival_time: 4, queued_ts: 104, first_token_ts: 104.5 }));
    expect(readRecordedRequests(file)).toEqual([
      {
        requestId: 'b',
        promptTokens: 10,
        outputTokens: 3,
        arrivedAt: 0,
        firstTokenAt: 500_000,
        lastTokenAt: 3_000_000,
      },
      { requestId: 'a', promptTokens: 10, outputTokens: 3, arrivedAt: 1_000_000, firstTokenAt: 2e6, lastTokenAt: 3e6 },
    ]);
  });

  it.each([
    ['nothing', [], 'run.jsonl: is empty'],
    ['no JSON', [line(), 'x'], 'run.jsonl:2: is not JSON'],
    ['a missing field', [line({ queued_ts: undefined })], 'run.jsonl:1: queued_ts is undefined; allowed is a number'],
    ['one token', [line({ output_toks: 1 })], 'run.jsonl:1: output_toks is 1; allowed is a whole number from 2'],
  ])('refuse %s in one line', (_, lines, message) => {
    expect(() => readRecordedRequests(written(...lines))).toThrow(message);
  });
});

describe('latency errors', () => {
  it('are medians over requests, with sign and without', () => {
    const latencies = (factor: number): ReturnType<typeof latenciesOf> =>
      latenciesOf({ arrivedAt: 0, outputTokens: 2 }, { firstTokenAt: 100 * factor, lastTokenAt: 200 * factor });
    const { ttft } = latencyErrors([1, 1, 1].map(latencies), [0.9, 1.1, 1.3].map(latencies));
    expect(ttft.medianPerRequest).toBeCloseTo(0.1);
    expect(ttft.medianSigned).toBeCloseTo(0.1);
    expect(ttft.percentiles[0]).toEqual({ percentile: 50, measuredMicros: 100, modelledMicros: 110.00000000000001 });
  });
});

describe('a fit of step times', () => {
  it('finds the times of an engine that is the model itself', () => {
    const run = engineRuns[0]!;
    const requests = readRecordedRequests(join(BUNDLED_RUNS, `${run.name}.requests.jsonl`)).slice(0, 20);
    const truth = { ...run.stepTime, baseMicros: run.stepTime.baseMicros * 1.6 };
    const measured = simulateRequests(requests, run, truth);
    const fitted = fitStepTimes(run.stepTime, measured, (stepTime) => simulateRequests(requests, run, stepTime));
    const { endToEnd } = latencyErrors(measured, simulateRequests(requests, run, fitted));
    expect(endToEnd.p90PerRequest).toBeLessThan(0.02);
  });
});

describe('a recorded run of a real engine', () => {
  it('is reproduced within the targets with step times that nothing was fitted for', () => {
    const run = engineRuns[0]!;
    const requests = readRecordedRequests(join(BUNDLED_RUNS, `${run.name}.requests.jsonl`));
    const measured = requests.map((request) => latenciesOf(request, request));
    const errors = latencyErrors(measured, simulateRequests(requests, run, run.stepTime));
    expect(run.fittedRequests).toBe(0);
    expect(errors.ttft.medianPerRequest).toBeLessThan(0.25);
    expect(errors.interToken.medianPerRequest).toBeLessThan(0.15);
    expect(errors.endToEnd.medianPerRequest).toBeLessThan(0.15);
  });
});

describe('programs of a published workload', () => {
  it('have its moments', () => {
    const { workload } = publishedSetups[0]!;
    const programs = publishedPrograms(workload, 200);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const tokens = programs.map(({ turns }) => turns.at(-1)!.promptTokens + turns.at(-1)!.outputTokens);
    expect(mean(programs.map(({ turns }) => turns.length)) / workload.turns[0]).toBeCloseTo(1, 1);
    expect(mean(tokens) / workload.tokens[0]).toBeCloseTo(1, 1);
  });
});
