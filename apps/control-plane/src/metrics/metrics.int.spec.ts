import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { program as wire } from '@holdfast/contracts';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { append, someIds, startTestPlane, stopTestPlanes, type TestPlane } from '../control-plane.fixture.js';
import { metricCatalogue, type MetricDescription, type MetricName } from './metric-catalogue.js';
import { readSamples, type Sample } from './samples.fixture.js';

// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;
beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
}, 120_000);
afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

const pageOf = (plane: TestPlane, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://${plane.running.httpAddress}/metrics`, { headers });

const samplesOf = async (plane: TestPlane): Promise<readonly Sample[]> =>
  readSamples(await (await pageOf(plane)).text());

/** Sum of the samples of a name whose labels include the given ones. */
const value = (samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number =>
  samples
    .filter((sample) => sample.name === name && Object.entries(labels).every(([key, of]) => sample.labels[key] === of))
    .reduce((sum, sample) => sum + sample.value, 0);

/** Two turns with a tool call between them; the second takes over the pin of the first. */
const runProgram = async ({ client }: TestPlane): Promise<void> => {
  const programId = await client.start({ name: 'counted' });
  await client.turn({ programId, input: append(someIds(64)) });
  await client.call('beginToolCall', { programId, toolCallId: 'c', tool: 'bash', command: 'npm test' });
  await client.call('endToolCall', { programId, toolCallId: 'c', outcome: wire.ToolCallOutcome.SUCCEEDED });
  await client.turn({ programId, input: append(someIds(10)), last: true });
  await client.call('endProgram', { programId });
};

describe('the metrics page', () => {
  it('counts what a program did', async () => {
    const plane = await startTestPlane({ databaseUrl: postgres.url, env: { HOLDFAST_POLICY: 'static-ttl:ttl=60s' } });
    await runProgram(plane);
    const samples = await samplesOf(plane);
    const count = (name: string, labels?: Record<string, string>): number => value(samples, name, labels);
    expect(count('holdfast_program_completion_seconds_count', { outcome: 'completed' })).toBe(1);
    expect(count('holdfast_turns_ended_total', { outcome: 'finished' })).toBe(2);
    expect(count('holdfast_turn_first_token_seconds_count')).toBe(2);
    expect(count('holdfast_turn_queue_wait_seconds_count')).toBe(2);
    expect(count('holdfast_output_tokens_total')).toBe(16);
    // 64, then 64 + 8 + 10: whole blocks of the first 72 are found again.
    expect(count('holdfast_prompt_tokens_total')).toBe(64 + 82);
    expect(count('holdfast_prompt_tokens_total', { source: 'cached' })).toBe(64);
    expect(count('holdfast_prompt_tokens_total', { source: 'recomputed' })).toBe(8);
    expect(count('holdfast_pins_set_total')).toBe(1);
    expect(count('holdfast_pins_ended_total', { outcome: 'hit' })).toBe(1);
    expect(count('holdfast_pinned_token_seconds_total', { use: 'used' })).toBeGreaterThan(0);
    expect(count('holdfast_pinned_token_seconds_total', { use: 'wasted' })).toBe(0);
    expect(count('holdfast_tool_call_seconds_count', { outcome: 'succeeded' })).toBe(1);
    expect(count('holdfast_tool_call_prediction_ratio_count')).toBe(1);
    expect(count('holdfast_decisions_total', { kind: 'dispatch', choice: 'dispatch' })).toBe(2);
    expect(count('holdfast_loop_step_seconds_count')).toBeGreaterThan(8);
    expect(count('holdfast_rpcs_total', { method: 'RunTurn', code: 'OK' })).toBe(2);
  });

  it('shows the state of the service: its engine, its lease, its checks, nothing left over', async () => {
    const plane = await startTestPlane({ databaseUrl: postgres.url });
    await runProgram(plane);
    const samples = await samplesOf(plane);
    expect(value(samples, 'holdfast_engine_up', { engine: 'engine-0' })).toBe(1);
    expect(value(samples, 'holdfast_engine_kv_blocks', { engine: 'engine-0' })).toBeGreaterThan(0);
    expect(value(samples, 'holdfast_lease_held')).toBe(1);
    expect(samples.filter(({ name }) => name === 'holdfast_check').map((check) => check.value)).toEqual([1, 1, 1, 1]);
    const states = samples.filter(({ name }) => name === 'holdfast_jobs').map(({ labels }) => labels['state']);
    expect(states).toEqual(expect.arrayContaining(['waiting', 'active', 'deadLetter']));
    expect(value(samples, 'holdfast_jobs', { state: 'deadLetter' })).toBe(0);
    for (const name of ['holdfast_programs_live', 'holdfast_pins_held', 'holdfast_turns_waiting']) {
      expect({ name, value: value(samples, name) }).toEqual({ name, value: 0 });
    }
  });

  it('counts failures by reason and code, and an unknown path by no name of its own', async () => {
    const plane = await startTestPlane({ databaseUrl: postgres.url });
    const missing = await plane.client.failure(plane.client.turn({ programId: 'nobody' }));
    expect(missing.details?.reason).toBe('PROGRAM_NOT_FOUND');
    await fetch(`http://${plane.running.httpAddress}/who/knows/${Math.random()}`);
    await fetch(`http://${plane.running.httpAddress}/v1/models`);
    const samples = await samplesOf(plane);
    expect(value(samples, 'holdfast_rpcs_total', { method: 'RunTurn', code: 'NOT_FOUND' })).toBe(1);
    expect(value(samples, 'holdfast_http_requests_total', { route: 'other', code: '404' })).toBe(1);
    expect(value(samples, 'holdfast_http_requests_total', { route: '/v1/models', code: '200' })).toBe(1);
  });

  it('holds exactly the metrics of the catalogue besides those of the process, with their labels', async () => {
    const plane = await startTestPlane({ databaseUrl: postgres.url });
    await runProgram(plane);
    const page = await (await pageOf(plane)).text();
    const found = [...page.matchAll(/^# TYPE (holdfast_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    expect(found).toEqual(Object.entries(metricCatalogue).map(([name, { type }]) => `${name} ${type}`));
    for (const { name, labels } of readSamples(page)) {
      const family = name.replace(/_(bucket|sum|count)$/, '');
      if (!(family in metricCatalogue)) continue;
      const description: MetricDescription = metricCatalogue[family as MetricName];
      const own = Object.keys(labels).filter((label) => label !== 'le');
      expect({ name, unknown: own.filter((label) => !description.labels?.includes(label)) }).toEqual({
        name,
        unknown: [],
      });
    }
  });

  it('is for those who operate the service when callers need keys', async () => {
    const keys = `${postgres.dataDir}/metrics-spec-admin.key`;
    const env = { HOLDFAST_AUTH: 'keys', HOLDFAST_ADMIN_KEY_FILE: keys };
    const plane = await startTestPlane({ databaseUrl: postgres.url, env });
    const refused = await pageOf(plane);
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ reason: 'CREDENTIALS_MISSING', status: 401 });
    const admitted = await pageOf(plane, { authorization: `Bearer ${plane.adminKey}` });
    expect(admitted.status).toBe(200);
    expect(admitted.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  });
});
