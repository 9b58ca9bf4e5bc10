/** One program across SDK, control plane and engine, as a real Jaeger shows it. docs/tracing.md describes the same. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTelemetry, type Telemetry } from '@holdfast/platform';
import { Holdfast } from '@holdfast/sdk';
import { ServiceProcesses } from '@holdfast/testing';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RealJaeger } from './real-jaeger.fixture.js';
import type { TraceTree, TreeSpan } from './trace-tree.fixture.js';

const AGENT = 'agent';
const SERVICE = 'holdfast-control-plane';
const ENGINE = 'holdfast-sim-engine';
const RPC = 'holdfast.program.v1.ProgramService';
const TIMEOUT_MS = 120_000;
const TOOL_MS = 150;
/** Spans start at whole milliseconds and end at microseconds, in two processes by two clocks of one machine. */
const CLOCK_MICROS = 2_000;

const jaeger = new RealJaeger();
let services: ServiceProcesses;
let telemetry: Telemetry;
let programId: string;
let trace: TraceTree;

const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => 32 + (index % 90));

/** Two turns with a tool call between them. */
const runProgram = async (): Promise<string> => {
  const holdfast = new Holdfast({ address: services.address });
  try {
    return await holdfast.run({ name: 'traced', programClass: 'spec' }, async (program) => {
      await program.turn({ promptIds: ids(500), maxTokens: 10, ignoreEos: true });
      await program.tool('bash', { command: 'npm test' }, () => sleep(TOOL_MS));
      await program.turn({ appendIds: ids(20), maxTokens: 10, ignoreEos: true, last: true });
      return program.id;
    });
  } finally {
    holdfast.close();
  }
};

beforeAll(async () => {
  const endpoint = await jaeger.start();
  telemetry = startTelemetry({ serviceName: AGENT, endpoint });
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, HOLDFAST_POLICY: 'static-ttl:ttl=30s' };
  const engineArgs = ['--otlp-endpoint', endpoint];
  services = new ServiceProcesses({ engines: 1, timeScale: 1, env, engineArgs });
  await services.start();
  programId = await runProgram();
  // Each process sends what it has when it stops.
  await telemetry.shutdown();
  await services.stop();
  trace = await jaeger.trace({
    service: SERVICE,
    tags: { 'holdfast.program.id': programId },
    isComplete: (found) =>
      [AGENT, SERVICE].every((service) => found.named(service, 'holdfast.program').length > 0) &&
      found.named(ENGINE, 'llm_request').length === 2,
  });
}, TIMEOUT_MS);

afterAll(async () => {
  await services?.stop();
  await jaeger.stop();
}, TIMEOUT_MS);

const only = (service: string, name: string): TreeSpan => {
  const [span, ...others] = trace.named(service, name);
  if (span === undefined || others.length > 0) throw new Error(`not one ${service} ${name} in\n${trace.outline()}`);
  return span;
};

/** The tree that docs/tracing.md shows. */
const documentedTree = (): string => {
  const page = readFileSync(new URL('../../docs/tracing.md', import.meta.url), 'utf8');
  return /```text\n([^]*?)\n```/.exec(page)?.[1] ?? '';
};

describe('a program in Jaeger', () => {
  it('is one tree across the agent, the service and the engine, the one of docs/tracing.md', () => {
    expect(trace.outline()).toBe(documentedTree());
  });

  it('tells what the program, its turns, its tool call and its pin were', () => {
    const program = only(SERVICE, 'holdfast.program');
    expect(program.tags).toMatchObject({
      'holdfast.program.id': programId,
      'holdfast.program.name': 'traced',
      'holdfast.program.class': 'spec',
      'holdfast.program.outcome': 'completed',
    });
    const [first, second] = trace.named(SERVICE, 'holdfast.turn').map(({ tags }) => tags);
    expect(first).toMatchObject({ 'gen_ai.usage.input_tokens': 500, 'gen_ai.usage.output_tokens': 10 });
    expect(second).toMatchObject({ 'gen_ai.usage.input_tokens': 530, 'gen_ai.usage.output_tokens': 10 });
    expect(second?.['holdfast.usage.cached_tokens']).toBeGreaterThan(400);
    expect(only(SERVICE, 'holdfast.tool_call').tags).toMatchObject({
      'gen_ai.tool.name': 'bash',
      'holdfast.tool.outcome': 'succeeded',
    });
    const pin = only(SERVICE, 'holdfast.pin');
    expect(pin.tags).toMatchObject({ 'holdfast.pin.outcome': 'hit' });
    // Set by the first turn, hit by the second.
    expect(pin.links).toEqual(trace.named(SERVICE, 'holdfast.turn').map(({ id }) => id));
  });

  it('tells what the engine measured, as vLLM does', () => {
    const [first, second] = trace.named(ENGINE, 'llm_request').map(({ tags }) => tags);
    expect(first).toMatchObject({ 'gen_ai.usage.prompt_tokens': 500, 'gen_ai.usage.completion_tokens': 10 });
    expect(second?.['holdfast.usage.cached_tokens']).toBeGreaterThan(400);
    for (const tags of [first, second]) {
      const toFirstToken = Number(tags?.['gen_ai.latency.time_to_first_token']);
      expect(toFirstToken).toBeGreaterThan(0);
      expect(Number(tags?.['gen_ai.latency.e2e'])).toBeGreaterThanOrEqual(toFirstToken);
    }
  });

  it('tells why: each turn has its dispatch and what was kept, the tool call what was kept meanwhile', () => {
    const decisions = (span: TreeSpan): unknown[] =>
      span.events.filter(({ event }) => event === 'holdfast.decision').map((event) => event['holdfast.decision.kind']);
    const [first] = trace.named(SERVICE, 'holdfast.turn');
    expect(first === undefined ? [] : decisions(first)).toEqual(['dispatch', 'retention']);
    expect(decisions(only(SERVICE, 'holdfast.tool_call'))).toEqual(['retention']);
  });

  it('shows when each happened: every span within its parent, waits before calls, the pin around the tool call', () => {
    const outside = trace.spans.filter((span) => {
      const parent = trace.parent(span);
      if (parent === undefined || endsAfterItsParent.has(span.name)) return false;
      return span.startsAt < parent.startsAt - CLOCK_MICROS || span.endsAt > parent.endsAt + CLOCK_MICROS;
    });
    expect(outside.map(({ service, name }) => `${service} ${name}`)).toEqual([]);
    for (const turn of trace.named(SERVICE, 'holdfast.turn')) {
      const [wait, call] = trace.children(turn);
      expect([wait?.name, call?.name]).toEqual(['holdfast.queue_wait', 'holdfast.engine.generate']);
      expect(wait?.endsAt).toBeLessThanOrEqual((call?.startsAt ?? 0) + CLOCK_MICROS);
    }
    const tool = only(SERVICE, 'holdfast.tool_call');
    const pin = only(SERVICE, 'holdfast.pin');
    const ran = only(AGENT, 'holdfast.tool');
    expect(ran.endsAt - ran.startsAt).toBeGreaterThanOrEqual(TOOL_MS * 1_000 - CLOCK_MICROS);
    // The service hears of the tool's begin and end a moment later, and of both before the next turn.
    expect(tool.startsAt).toBeGreaterThanOrEqual(ran.startsAt - CLOCK_MICROS);
    expect(tool.endsAt).toBeGreaterThanOrEqual(ran.endsAt - CLOCK_MICROS);
    expect(tool.endsAt).toBeLessThanOrEqual((trace.named(SERVICE, 'holdfast.turn')[1]?.startsAt ?? 0) + CLOCK_MICROS);
    expect(pin.startsAt).toBeLessThanOrEqual(tool.endsAt);
    expect(pin.endsAt).toBeGreaterThanOrEqual(tool.endsAt);
  });

  it('shows the engine call in its phases: prefill until the first token, then decode', () => {
    for (const call of trace.named(SERVICE, 'holdfast.engine.generate')) {
      const phases = trace.children(call).filter(({ service }) => service === SERVICE);
      expect(phases.map(({ name }) => name)).toEqual(['holdfast.engine.prefill', 'holdfast.engine.decode']);
      const [prefill, decode] = phases.map(({ startsAt, endsAt }) => ({ startsAt, endsAt }));
      expect(Math.abs((decode?.startsAt ?? 0) - (prefill?.endsAt ?? 0))).toBeLessThanOrEqual(CLOCK_MICROS);
    }
  });
});

/**
 * A program outlives the call that started it, a tool's reports do not hold up its result, and the agent has a turn's last
 * message before its stream has ended.
 */
const endsAfterItsParent = new Set([
  'holdfast.program',
  `${RPC}/BeginToolCall`,
  `${RPC}/EndToolCall`,
  `${RPC}/RunTurn`,
]);
