import { Metadata } from '@grpc/grpc-js';
import type { program as wire } from '@holdfast/contracts';
import { attributes, spans, startTelemetry, type Telemetry } from '@holdfast/platform';
import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { startTestPlane, stopTestPlanes, type TestPlane } from './control-plane.fixture.js';

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

interface OtlpBody {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[] }[];
}

const received: ReceivedSpan[] = [];
let collector: Server;
let telemetry: Telemetry;
// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;
let plane: TestPlane;
const engineTraceparents: string[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const bytes = Buffer.concat(parts);
      const json = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
      const body = JSON.parse(json.toString()) as OtlpBody;
      for (const resource of body.resourceSpans) for (const scope of resource.scopeSpans) received.push(...scope.spans);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  telemetry = startTelemetry({ serviceName: 'control-plane-spec', endpoint: `http://127.0.0.1:${port}` });
  postgres = await startPostgres({ durable: false });
  plane = await startTestPlane({
    databaseUrl: postgres.url,
    env: { HOLDFAST_POLICY: 'static-ttl:ttl=60s' },
    engines: [
      {
        answer: (call) => {
          engineTraceparents.push(call.traceparent ?? '');
          return undefined;
        },
      },
    ],
  });
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
  await new Promise((resolve) => collector.close(resolve));
}, 120_000);

const traceId = '0af7651916cd43dd8448eb211c80319c';
const callerSpanId = 'b7ad6b7169203331';

const named = (name: string): ReceivedSpan => {
  const span = received.find((candidate) => candidate.name === name && candidate.traceId === traceId);
  if (span === undefined) throw new Error(`no span ${name} in ${received.map((other) => other.name).join(', ')}`);
  return span;
};

describe('tracing', () => {
  it('exports one tree a program, from the caller to the engine', async () => {
    const metadata = new Metadata();
    metadata.set('traceparent', `00-${traceId}-${callerSpanId}-01`);
    const { program } = await plane.client.call('startProgram', { name: 'traced' }, metadata);
    const programId = program?.programId ?? '';
    await plane.client.turn({ programId });
    await plane.client.call('beginToolCall', { programId, toolCallId: 'c', tool: 'bash', command: 'npm test' });
    await plane.client.call('endToolCall', { programId, toolCallId: 'c' });
    await plane.client.turn({ programId, input: { $case: 'append', value: { ids: [1, 2, 3] } } });
    await plane.client.call('endProgram', { programId } satisfies Partial<wire.EndProgramRequest>);
    await telemetry.shutdown();

    const rpc = named('holdfast.program.v1.ProgramService/StartProgram');
    expect(rpc.parentSpanId).toBe(callerSpanId);
    const root = named(spans.program);
    expect(root.parentSpanId).toBe(rpc.spanId);
    const turn = named(spans.turn);
    expect(turn.parentSpanId).toBe(root.spanId);
    const generate = named(spans.generate);
    expect(generate.parentSpanId).toBe(turn.spanId);
    expect(named(spans.queueWait).parentSpanId).toBe(turn.spanId);
    expect(named(spans.toolCall).parentSpanId).toBe(root.spanId);
    const pin = named(spans.pin);
    expect(pin.parentSpanId).toBe(root.spanId);
    expect(pin.attributes.find(({ key }) => key === attributes.pinOutcome)?.value).toEqual({ stringValue: 'hit' });
    expect(engineTraceparents[0]).toBe(`00-${traceId}-${generate.spanId}-01`);
    expect(received.filter(({ name, traceId: id }) => name === spans.turn && id === traceId)).toHaveLength(2);
  });
});
