import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Holdfast } from '@holdfast/sdk';
import { ServiceProcesses } from '@holdfast/testing';
import { OtlpSink, type ReceivedSpan } from './otlp-sink.fixture.js';

const TIMEOUT_MS = 60_000;
const sink = new OtlpSink();
let services: ServiceProcesses;

beforeAll(async () => {
  const endpoint = await sink.listen();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, HOLDFAST_POLICY: 'static-ttl:ttl=30s' };
  services = new ServiceProcesses({ engines: 1, timeScale: 1, env, engineArgs: ['--otlp-endpoint', endpoint] });
  await services.start();
}, TIMEOUT_MS);

afterAll(async () => {
  await services?.stop();
  sink.close();
}, TIMEOUT_MS);

const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => 32 + (index % 90));
const attribute = (span: ReceivedSpan | undefined, key: string): unknown =>
  Object.values(span?.attributes.find((item) => item.key === key)?.value ?? {})[0];

/** Runs a program of two turns with a tool between them, then stops the service, which sends what is left. */
const traceOfProgram = async (): Promise<ReceivedSpan[]> => {
  const holdfast = new Holdfast({ address: services.address });
  const programId = await holdfast.run({ name: 'traced' }, async (program) => {
    await program.turn({ promptIds: ids(500), maxTokens: 10, ignoreEos: true });
    await program.tool('bash', { command: 'npm test' }, () => sleep(100));
    await program.turn({ appendIds: ids(20), maxTokens: 10, ignoreEos: true, last: true });
    return program.id;
  });
  holdfast.close();
  await services.stop();
  const program = sink.spans.find(
    (span) => span.name === 'holdfast.program' && attribute(span, 'holdfast.program.id') === programId,
  );
  expect(program).toBeDefined();
  return sink.spans.filter(({ traceId }) => traceId === program?.traceId);
};

describe('the trace of a program', () => {
  it(
    'holds turns with their wait and their engine call, the tool call and the pin, and goes on in the engine',
    async () => {
      const trace = await traceOfProgram();
      const named = (name: string): ReceivedSpan[] => trace.filter((span) => span.name === name);
      const [program] = named('holdfast.program');
      const turns = named('holdfast.turn');
      expect(turns).toHaveLength(2);
      expect(isBelow(trace, turns, program)).toBe(true);

      for (const turn of turns) {
        const [wait, ...otherWaits] = named('holdfast.queue_wait').filter((span) => span.parentSpanId === turn.spanId);
        const [call, ...otherCalls] = named('holdfast.engine.generate').filter(
          (span) => span.parentSpanId === turn.spanId,
        );
        expect([otherWaits, otherCalls]).toEqual([[], []]);
        expect(BigInt(wait?.endTimeUnixNano ?? 0)).toBeLessThanOrEqual(
          BigInt(call?.startTimeUnixNano ?? 0) + 2_000_000n,
        );
        expect(attribute(call, 'gen_ai.usage.output_tokens')).toBe(10);
      }

      const [tool, ...otherTools] = named('holdfast.tool_call');
      expect(otherTools).toEqual([]);
      expect(attribute(tool, 'gen_ai.tool.name')).toBe('bash');
      expect(isBelow(trace, [tool], program)).toBe(true);
      const pins = named('holdfast.pin');
      expect(isBelow(trace, pins, program)).toBe(true);
      expect(pins.map((pin) => attribute(pin, 'holdfast.pin.outcome'))).toContain('hit');

      const inEngine = named('llm_request').map(({ parentSpanId }) => parentSpanId);
      const calls = named('holdfast.engine.generate').map(({ spanId }) => spanId);
      expect(inEngine.sort()).toEqual(calls.sort());
    },
    TIMEOUT_MS,
  );
});

const isBelow = (
  trace: readonly ReceivedSpan[],
  spans: readonly (ReceivedSpan | undefined)[],
  top: ReceivedSpan | undefined,
): boolean =>
  spans.length > 0 &&
  spans.every((span) => {
    let current = span;
    while (current !== undefined && current !== top) {
      const { parentSpanId } = current;
      current = trace.find(({ spanId }) => spanId === parentSpanId);
    }
    return current !== undefined;
  });
