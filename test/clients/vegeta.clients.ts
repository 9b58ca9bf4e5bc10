import { describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runGo } from './others-programs.fixture.js';
import { baseUrl, served } from './served.fixture.js';

const RATE_PER_SECOND = 15;
const SECONDS = 10;

interface Target {
  readonly method: string;
  readonly url: string;
  readonly body?: string;
  readonly header: Readonly<Record<string, readonly string[]>>;
}

interface LoadReport {
  readonly requests: number;
  readonly status_codes: Readonly<Record<string, number>>;
  readonly errors: readonly string[] | null;
  readonly latencies: { readonly '50th': number; readonly '99th': number };
}

const header = { authorization: [`Bearer ${served.apiKey}`], 'content-type': ['application/json'] };
const url = `${baseUrl}/chat/completions`;

const ask = (content: string, more: object = {}): Target => {
  const body = { model: served.model, messages: [{ role: 'user', content }], max_tokens: 16, ...more };
  return { method: 'POST', url, header, body: Buffer.from(JSON.stringify(body)).toString('base64') };
};

/** Requests in turn, at a constant rate whatever the answers take. */
const attack = async (targets: readonly Target[]): Promise<LoadReport> => {
  const requests = Array.from({ length: RATE_PER_SECOND * SECONDS }, (_, index) => targets[index % targets.length]);
  const lines = requests.map((target) => `${JSON.stringify(target)}\n`).join('');
  const flags = ['-format=json', '-lazy', `-rate=${RATE_PER_SECOND}`, `-duration=${SECONDS}s`, '-timeout=60s'];
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-vegeta-'));
  try {
    const results = join(folder, 'results');
    await runGo('vegeta', ['attack', ...flags, `-output=${results}`], lines);
    return JSON.parse(await runGo('vegeta', ['report', '-type=json', results])) as LoadReport;
  } finally {
    await rm(folder, { recursive: true });
  }
};

describe('vegeta', () => {
  it('gets every answer under a constant load of good and bad requests, and no 5xx', async () => {
    const garbage = Buffer.from('{"model": ').toString('base64');
    const report = await attack([
      ...Array.from({ length: 6 }, (_, index) => ask(`load ${index}`, { stream: index % 2 === 0 })),
      ask('no such model', { model: 'other' }),
      { method: 'POST', url, header, body: garbage },
      { method: 'GET', url: `${baseUrl}/models`, header },
      { method: 'GET', url: `${baseUrl}/models`, header: { authorization: ['Bearer sk-x'] } },
    ]);
    const requests = RATE_PER_SECOND * SECONDS;
    const [p50, p99] = [report.latencies['50th'], report.latencies['99th']].map((nanos) => (nanos / 1e6).toFixed(1));
    console.log(`vegeta: ${requests} requests at ${RATE_PER_SECOND}/s, p50 ${p50} ms, p99 ${p99} ms`);
    expect(report.requests).toBe(requests);
    expect(report.errors?.filter((error) => !/^4\d\d /.test(error))).toEqual([]);
    const share = requests / 10;
    expect(report.status_codes).toEqual({ 200: 7 * share, 400: share, 401: share, 404: share });
  });
});
