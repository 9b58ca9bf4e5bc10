import { Metadata } from '@grpc/grpc-js';
import { attributes, spans, startPostgres, startTelemetry, type Telemetry } from '@holdfast/platform';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { chat, say, textOf } from './openai/openai.fixture.js';
import { append, startTestPlane, stopTestPlanes, type TestPlane } from './control-plane.fixture.js';

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly links?: readonly { readonly spanId: string }[];
  readonly events?: readonly { readonly name: string; readonly attributes: readonly Attribute[] }[];
  readonly attributes: readonly Attribute[];
}

interface OtlpBody {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[] }[];
}

const received: ReceivedSpan[] = [];
const engineTraceparents: string[] = [];
const UNTRACED_PROGRAMS = 12;
const untraced: string[] = [];
// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

const traceId = '0af7651916cd43dd8448eb211c80319c';
const callerSpanId = 'b7ad6b7169203331';
const httpTraceId = '1bf7651916cd43dd8448eb211c80319c';
let closing: () => Promise<void> = async () => undefined;

const collect = async (): Promise<{ readonly endpoint: string; readonly collector: Server }> => {
  const collector = createServer((request, response) => {
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
  return { endpoint: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`, collector };
};

/** Two turns, a tool call between them whose pin the second takes over, and one whose end nobody reports. */
const runProgram = async ({ client }: TestPlane, metadata = new Metadata()): Promise<string> => {
  const { program } = await client.call('startProgram', { name: 'traced' }, metadata);
  const programId = program?.programId ?? '';
  await client.turn({ programId });
  await client.call('beginToolCall', { programId, toolCallId: 'c', tool: 'bash', command: 'npm test' });
  await client.call('endToolCall', { programId, toolCallId: 'c' });
  await client.turn({ programId, input: append([1, 2, 3]) });
  await client.call('beginToolCall', { programId, toolCallId: 'd', tool: 'search', command: '' });
  await client.call('endProgram', { programId });
  return programId;
};

/** Two turns over the OpenAI API; only the first request says what trace it belongs to. */
const converse = async (base: string): Promise<void> => {
  const messages = [say('user', 'what is traced?')];
  const answer = await chat(base, { messages, max_tokens: 4 }, { traceparent: `00-${httpTraceId}-${callerSpanId}-01` });
  await chat(base, {
    messages: [...messages, say('assistant', textOf(answer.body)), say('user', 'more')],
    max_tokens: 4,
  });
};

beforeAll(async () => {
  const { endpoint, collector } = await collect();
  // Half of those who do not trace are recorded; who traces decides for itself.
  const telemetry: Telemetry = startTelemetry({ serviceName: 'control-plane-spec', endpoint, sampleRatio: 0.5 });
  const postgres = await startPostgres({ durable: false });
  closing = async () => {
    await stopTestPlanes();
    await postgres.stop();
    await new Promise((resolve) => collector.close(resolve));
  };
  const plane = await startTestPlane({
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
  const metadata = new Metadata();
  metadata.set('traceparent', `00-${traceId}-${callerSpanId}-01`);
  await runProgram(plane, metadata);
  for (let index = 0; index < UNTRACED_PROGRAMS; index += 1) untraced.push(await runProgram(plane));
  await converse(`http://${plane.running.httpAddress}/v1`);
  await plane.stop();
  await telemetry.shutdown();
}, 120_000);

afterAll(() => closing(), 120_000);

const all = (name: string): readonly ReceivedSpan[] =>
  received.filter((span) => span.name === name && span.traceId === traceId);

const first = (name: string): ReceivedSpan => {
  const [span] = all(name);
  if (span === undefined) throw new Error(`no span ${name} in ${received.map((other) => other.name).join(', ')}`);
  return span;
};

const valueOf = ({ attributes: own }: { readonly attributes: readonly Attribute[] }, key: string): unknown =>
  own.find((attribute) => attribute.key === key)?.value['stringValue'];

const RPC = 'holdfast.program.v1.ProgramService';

describe('tracing', () => {
  it('exports one tree a program, from the caller to the engine', () => {
    const rpc = first(`${RPC}/StartProgram`);
    expect(rpc.parentSpanId).toBe(callerSpanId);
    const root = first(spans.program);
    expect(root.parentSpanId).toBe(rpc.spanId);
    const turn = first(spans.turn);
    const generate = first(spans.generate);
    expect(generate.parentSpanId).toBe(turn.spanId);
    expect(first(spans.queueWait).parentSpanId).toBe(turn.spanId);
    expect(first(spans.prefill).parentSpanId).toBe(generate.spanId);
    expect(first(spans.decode).parentSpanId).toBe(generate.spanId);
    expect(first(spans.toolCall).parentSpanId).toBe(root.spanId);
    expect(first(spans.pin).parentSpanId).toBe(root.spanId);
    expect(engineTraceparents[0]).toBe(`00-${traceId}-${generate.spanId}-01`);
    expect(all(spans.turn)).toHaveLength(2);
  });

  it('puts calls without a trace of their own into the trace of the program they name', () => {
    const root = first(spans.program);
    for (const method of ['RunTurn', 'BeginToolCall', 'EndToolCall', 'EndProgram']) {
      expect(first(`${RPC}/${method}`).parentSpanId).toBe(root.spanId);
    }
    expect(first(spans.turn).parentSpanId).toBe(first(`${RPC}/RunTurn`).spanId);
  });

  it('has the span of the HTTP request in a conversation of the OpenAI API', () => {
    const own = received.filter((span) => span.traceId === httpTraceId);
    const named = (name: string): readonly ReceivedSpan[] => own.filter((span) => span.name === name);
    const requests = named('POST /v1/chat/completions');
    const [program] = named(spans.program);
    expect(requests.map(({ parentSpanId }) => parentSpanId)).toEqual([callerSpanId, program?.spanId]);
    expect(program?.parentSpanId).toBe(requests[0]?.spanId);
    expect(named(spans.turn).map(({ parentSpanId }) => parentSpanId)).toEqual(requests.map(({ spanId }) => spanId));
    expect(requests.map((span) => valueOf(span, attributes.httpRoute))).toEqual(Array(2).fill('/v1/chat/completions'));
    expect(requests.flatMap((span) => span.attributes).filter(({ key }) => key === attributes.httpStatus)).toEqual(
      Array(2).fill({ key: attributes.httpStatus, value: { intValue: 200 } }),
    );
  });

  it('tells the life of each pin: the turn that set it, the turn that hit it, or that the program let it go', () => {
    const [hit, released] = all(spans.pin);
    const [one, two] = all(spans.turn).map(({ spanId }) => spanId);
    expect(valueOf(hit as ReceivedSpan, attributes.pinOutcome)).toBe('hit');
    expect(hit?.links?.map(({ spanId }) => spanId)).toEqual([one, two]);
    expect(valueOf(released as ReceivedSpan, attributes.pinOutcome)).toBe('released');
    expect(released?.links?.map(({ spanId }) => spanId)).toEqual([two]);
  });

  it('says that a tool call ended with its program when nobody reported its end', () => {
    expect(all(spans.toolCall).map((span) => valueOf(span, attributes.toolOutcome))).toEqual([
      'succeeded',
      'unreported',
    ]);
  });

  it('shows decisions where they matter: of a turn on the turn, of a tool call on the tool call, with their inputs', () => {
    const kinds = (span: ReceivedSpan): unknown[] =>
      (span.events ?? [])
        .filter(({ name }) => name === spans.decisionEvent)
        .map((event) => valueOf(event, attributes.decisionKind));
    expect(kinds(first(spans.turn))).toEqual(['dispatch', 'retention']);
    expect(kinds(first(spans.toolCall))).toEqual(['retention']);
    const [decision] = first(spans.toolCall).events ?? [];
    const inputs = valueOf(decision ?? { attributes: [] }, attributes.decisionInputs);
    expect(JSON.parse(String(inputs))).toMatchObject({ ttlSeconds: 60 });
  });

  it('records a program of callers that do not trace as a whole or not at all', () => {
    const ofOthers = received.filter((span) => span.traceId !== traceId && span.traceId !== httpTraceId);
    const shapes = new Map<string, string[]>();
    for (const span of ofOthers) shapes.set(span.traceId, [...(shapes.get(span.traceId) ?? []), span.name]);
    const recorded = ofOthers.filter(({ name }) => name === spans.program);
    expect(recorded.length).toBeGreaterThan(0);
    expect(untraced).toEqual(expect.arrayContaining(recorded.map((span) => valueOf(span, attributes.programId))));
    // Every trace is that of a program, and all of them hold the same spans.
    expect(shapes.size).toBe(recorded.length);
    const names = received.filter((span) => span.traceId === traceId).map(({ name }) => name);
    for (const shape of shapes.values()) expect(shape.sort()).toEqual(names.sort());
  });
});
