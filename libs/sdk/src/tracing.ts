/**
 * Spans, by the OpenTelemetry API alone: without an SDK in the process they cost nothing and record nothing. One program
 * is one trace.
 */
import { SpanKind, SpanStatusCode, context, trace, type Attributes, type Context, type Span } from '@opentelemetry/api';
import { isHoldfastError } from './errors.js';
import type { ToolCall } from './turn-options.js';
import type { TurnResult } from './turn-result.js';

const tracer = trace.getTracer('@holdfast/sdk', '0.1.0');

/** A span and the context in which it is the active one. */
export interface SpanScope {
  readonly span: Span;
  readonly context: Context;
}

/** What a span is started with. */
export interface SpanInit {
  readonly name: 'holdfast.program' | 'holdfast.turn' | 'holdfast.tool';
  readonly kind: SpanKind;
  readonly attributes: Attributes;
  /** Context of the program, when there is one. */
  readonly program?: Context;
}

/**
 * Starts a span under the active span if that belongs to the program's trace (a step of the agent, a tool), else under
 * the program's own. Modifies state.
 */
export function startSpan({ name, kind, attributes, program }: SpanInit): SpanScope {
  const active = context.active();
  const parent = program === undefined || traceIdOf(active) === traceIdOf(program) ? active : program;
  const span = tracer.startSpan(name, { kind, attributes }, parent);
  return { span, context: trace.setSpan(parent, span) };
}

/** Ends a span, as failed when there is an `error`. Modifies state. */
export function endSpan(span: Span, failure?: { readonly error: unknown }): void {
  if (failure !== undefined) {
    const { error } = failure;
    span.recordException(error instanceof Error ? error : String(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    span.setAttribute('error.type', isHoldfastError(error) ? (error.reason ?? error.code) : errorName(error));
  }
  span.end();
}

/** Pure. Attributes of a finished turn: OpenTelemetry's GenAI conventions, and Holdfast's own. */
export function turnAttributes(result: TurnResult): Attributes {
  const { usage, pin } = result;
  return {
    'gen_ai.response.id': result.turnId,
    'gen_ai.response.finish_reasons': [result.finishReason],
    'gen_ai.usage.input_tokens': usage.promptTokens,
    'gen_ai.usage.output_tokens': usage.outputTokens,
    'holdfast.engine.id': result.engineId,
    'holdfast.usage.cached_tokens': usage.cachedTokens,
    'holdfast.usage.recomputed_tokens': usage.recomputedTokens,
    'holdfast.turn.queue_wait_ms': result.queueWaitMs,
    'holdfast.turn.time_to_first_token_ms': result.timeToFirstTokenMs,
    'holdfast.turn.is_compaction': result.isCompaction,
    'holdfast.pin.tokens': pin?.pinnedTokens ?? 0,
  };
}

/** Pure. Attributes of a tool call that runs. The command is left out: it may hold secrets. */
export function toolAttributes({ tool, toolCallId }: Omit<ToolCall, 'argumentsJson'>): Attributes {
  return { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': tool, 'gen_ai.tool.call.id': toolCallId };
}

const traceIdOf = (from: Context): string | undefined => trace.getSpanContext(from)?.traceId;

const errorName = (error: unknown): string => (error instanceof Error ? error.name : typeof error);
