import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Metadata } from '@grpc/grpc-js';
import { ROOT_CONTEXT, context, trace } from '@opentelemetry/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DomainError } from '../errors/domain-error.js';
import { createLogger } from '../logging.js';
import { attributes, spans } from './names.js';
import { inSpan } from './span.js';
import { type Telemetry, startTelemetry } from './start-telemetry.js';
import { contextOf, extractTrace, injectTrace, traceparentOf } from './trace-context.js';

interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

let sink: Server;
let telemetry: Telemetry;
const received: ReceivedSpan[] = [];
const services: unknown[] = [];

/** An OTLP/HTTP receiver of JSON. */
beforeAll(async () => {
  sink = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans: { resource: { attributes: unknown[] }; scopeSpans: { spans: ReceivedSpan[] }[] }[];
      };
      for (const { resource, scopeSpans } of body.resourceSpans) {
        services.push(...resource.attributes);
        received.push(...scopeSpans.flatMap((scope) => scope.spans));
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  sink.listen(0, '127.0.0.1');
  await once(sink, 'listening');
  const { port } = sink.address() as AddressInfo;
  telemetry = startTelemetry({ serviceName: 'holdfast-spec', endpoint: `http://127.0.0.1:${port}` });
});

afterAll(async () => {
  await telemetry.shutdown();
  sink.close();
  trace.disable();
  context.disable();
});

describe('telemetry', () => {
  it('sends spans below a stored parent, active within, with failures marked, and trace ids in the log', async () => {
    const lines: string[] = [];
    const logger = createLogger({ service: 'spec', level: 'info', stream: { write: (line) => void lines.push(line) } });
    const parent = contextOf(traceparent);
    const failing = inSpan(spans.program, { parent, attributes: { [attributes.programId]: 'p' } }, async () => {
      await inSpan(spans.turn, {}, async () => logger.info({ programId: 'p' }, 'within a span'));
      throw new DomainError({ kind: 'unavailable', reason: 'ENGINE_UNREACHABLE', message: 'engine a is away' });
    });
    await expect(failing).rejects.toThrow('engine a is away');
    logger.info({}, 'outside');
    await telemetry.shutdown();

    const program = received.find((span) => span.name === 'holdfast.program');
    const turn = received.find((span) => span.name === 'holdfast.turn');
    expect(program).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      status: { code: 2, message: 'ENGINE_UNREACHABLE' },
    });
    expect(program?.attributes).toContainEqual({ key: 'holdfast.program.id', value: { stringValue: 'p' } });
    expect(turn).toMatchObject({ traceId: program?.traceId, parentSpanId: program?.spanId });
    expect(services).toContainEqual({ key: 'service.name', value: { stringValue: 'holdfast-spec' } });
    const [within, outside] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(within).toMatchObject({ level: 'info', service: 'spec', msg: 'within a span', spanId: turn?.spanId });
    expect(outside).not.toHaveProperty('traceId');
  });

  it('does nothing without an endpoint', async () => {
    await startTelemetry({ serviceName: 'silent' }).shutdown();
  });
});

describe('trace context', () => {
  it('crosses gRPC metadata and storage unchanged', () => {
    const metadata = new Metadata();
    injectTrace(contextOf(traceparent), metadata);
    expect(metadata.get('traceparent')).toEqual([traceparent]);
    expect(traceparentOf(extractTrace(metadata))).toBe(traceparent);
  });

  it.each([undefined, '', 'nonsense', '00-00000000000000000000000000000000-b7ad6b7169203331-01'])(
    'reads %p as no trace',
    (text) => {
      expect(contextOf(text)).toBe(ROOT_CONTEXT);
      expect(traceparentOf(contextOf(text))).toBeUndefined();
    },
  );

  it('writes nothing into metadata where nothing is traced', () => {
    const metadata = new Metadata();
    injectTrace(ROOT_CONTEXT, metadata);
    expect(metadata.getMap()).toEqual({});
  });
});
