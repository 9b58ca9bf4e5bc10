import { SpanKind, SpanStatusCode, context, propagation, trace, type Attributes } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ScriptedService,
  delta,
  failure,
  hello,
  queued,
  started,
  turn,
  type SeenCall,
  until,
} from './scripted-service.fixture.js';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
let service: ScriptedService;
beforeAll(() => provider.register());
afterAll(async () => {
  await provider.shutdown();
  trace.disable();
  context.disable();
  propagation.disable();
});
beforeEach(async () => {
  exporter.reset();
  service = new ScriptedService();
  await service.listen();
});
afterEach(() => service.close());

const spanOf = (name: string): ReadableSpan => {
  const found = exporter.getFinishedSpans().filter((span) => span.name === name);
  expect(found.map((span) => span.name)).toEqual([name]);
  return found[0] as ReadableSpan;
};
/** The ids that a call carried to the service. */
const carried = (call: SeenCall | undefined): { traceId: string | undefined; spanId: string | undefined } => {
  const [, traceId, spanId] = String(call?.metadata.get('traceparent')[0]).split('-');
  return { traceId, spanId };
};

describe('tracing', () => {
  it('makes one trace of a program: turns and tools under it, and it under the span of its caller', async () => {
    await trace.getTracer('agent').startActiveSpan('job', async (job) => {
      await service.client().run({ name: 'fix', programClass: 'swe' }, async (program) => {
        await program.turn({ promptIds: [1] });
        await program.tool('bash', { command: 'cat secret', toolCallId: 'c1' }, () => {
          trace.getTracer('agent').startSpan('inside').end();
        });
      });
      job.end();
    });
    const [program, run, tool] = [spanOf('holdfast.program'), spanOf('holdfast.turn'), spanOf('holdfast.tool')];
    const parents = [program, run, tool, spanOf('inside')].map((span) => span.parentSpanContext?.spanId);
    const [jobId, programId, toolId] = [spanOf('job'), program, tool].map((span) => span.spanContext().spanId);
    expect(parents).toEqual([jobId, programId, programId, toolId]);
    expect(new Set(exporter.getFinishedSpans().map((span) => span.spanContext().traceId)).size).toBe(1);
    expect(run.kind).toBe(SpanKind.CLIENT);
    const attributes: Attributes = { ...program.attributes, ...run.attributes, ...tool.attributes };
    expect(attributes).toMatchObject({
      'holdfast.program.id': 'p1',
      'gen_ai.agent.name': 'fix',
      'gen_ai.request.model': 'model-x',
      'holdfast.engine.id': 'engine-a',
      'gen_ai.tool.name': 'bash',
      'gen_ai.tool.call.id': 'c1',
    });
    expect(JSON.stringify(attributes)).not.toContain('secret');
  });

  it('carries the span of each call to the service', async () => {
    await service.client().run({}, async (program) => {
      await program.turn({ promptIds: [1] });
      await program.tool('bash', {}, () => undefined);
    });
    const ids = (name: string): unknown => {
      const { traceId, spanId } = spanOf(name).spanContext();
      return { traceId, spanId };
    };
    expect(carried(service.seen('startProgram')[0])).toEqual(ids('holdfast.program'));
    expect(carried(service.seen('runTurn')[0])).toEqual(ids('holdfast.turn'));
    expect(carried(service.seen('beginToolCall')[0])).toEqual(ids('holdfast.tool'));
    expect(carried(service.seen('endToolCall')[0])).toEqual(ids('holdfast.tool'));
    expect(carried(service.seen('endProgram')[0])).toEqual(ids('holdfast.program'));
  });

  it('keeps the turns of a program that was started by hand in its trace', async () => {
    const program = await service.client().start();
    await trace.getTracer('agent').startActiveSpan('elsewhere', async (span) => {
      await program.turn({ promptIds: [1] });
      span.end();
    });
    await program.end();
    expect(spanOf('holdfast.turn').parentSpanContext?.spanId).toBe(spanOf('holdfast.program').spanContext().spanId);
  });

  it('shows retries as events and failures as errors', async () => {
    service.turns.splice(0, 1, turn([], failure('UNAVAILABLE', { reason: 'DRAINING' })), hello);
    const error = new Error('bad luck');
    const run = service.client().run({}, async (program) => {
      await program.turn({ promptIds: [1] });
      throw error;
    });
    await expect(run).rejects.toBe(error);
    expect(spanOf('holdfast.turn').events).toMatchObject([
      {
        name: 'holdfast.retry',
        attributes: { 'holdfast.error.code': 'UNAVAILABLE', 'holdfast.error.reason': 'DRAINING' },
      },
    ]);
    expect(spanOf('holdfast.turn').status.code).toBe(SpanStatusCode.UNSET);
    expect(spanOf('holdfast.program').status).toEqual({ code: SpanStatusCode.ERROR, message: 'bad luck' });
  });

  it('names the reason of a turn that failed', async () => {
    service.turns.splice(0, 1, turn([], failure('INVALID_ARGUMENT', { reason: 'PROMPT_EMPTY' })));
    const program = await service.client().start();
    await expect(program.turn({ promptIds: [] }).result).rejects.toMatchObject({ reason: 'PROMPT_EMPTY' });
    expect(spanOf('holdfast.turn').attributes['error.type']).toBe('PROMPT_EMPTY');
  });

  it('ends the span of a turn that was cancelled while its loop lay still', async () => {
    const many = Array.from({ length: 100 }, (_, id) => delta([id], 'x'));
    service.turns.splice(0, 1, (stream) => {
      for (const event of [queued(), started(), ...many]) stream.write(event);
    });
    const submitted = (await service.client().start()).turn({ promptIds: [1] });
    await submitted[Symbol.asyncIterator]().next();
    // Time for the output to fill what may be unread.
    await new Promise((resolve) => setTimeout(resolve, 100));
    submitted.cancel(new Error('enough'));
    await until(() => exporter.getFinishedSpans().length > 0);
    expect(spanOf('holdfast.turn').status.message).toBe('enough');
  });
});
