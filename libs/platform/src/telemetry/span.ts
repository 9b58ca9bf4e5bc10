import {
  type Attributes,
  type Context,
  type Span,
  SpanKind,
  SpanStatusCode,
  context as activeContext,
  trace,
} from '@opentelemetry/api';
import { isDomainError } from '../errors/domain-error.js';
import { attributes as names } from './names.js';

/** Options of {@link inSpan}. */
export interface SpanOptions {
  /** Context of the parent: extracted from a call, or stored. Default: the active one. */
  readonly parent?: Context;
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
}

const tracer = trace.getTracer('@holdfast/platform');

/** Runs `work` within a span that is active meanwhile; it ends with the work and carries its failure. */
export async function inSpan<Result>(
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  const parent = options.parent ?? activeContext.active();
  const { kind = SpanKind.INTERNAL, attributes = {} } = options;
  const span = tracer.startSpan(name, { kind, attributes }, parent);
  try {
    return await activeContext.with(trace.setSpan(parent, span), work, undefined, span);
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Marks a span as failed, with the reason of a DomainError. Modifies `span`. */
export function failSpan(span: Span, error: unknown): void {
  const reason = isDomainError(error) ? error.reason : 'INTERNAL';
  span.setAttribute(names.errorType, reason);
  span.recordException(error as Error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
}
