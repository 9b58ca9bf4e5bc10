import { type Context, type Span, trace } from '@opentelemetry/api';
import { traceparentOf } from '@holdfast/platform';

/** The trace that a call belongs to. */
export interface CallerTrace {
  /** Context whose span is the rpc's own. */
  readonly context: Context;
}

/** Pure. What the span of a call is below: the caller's own trace, else the program's that it is about, if any. */
export const parentContext = (given: Context, program: Context | undefined): Context =>
  trace.getSpanContext(given) === undefined ? (program ?? given) : given;

/** Pure. W3C trace context of a span, for the next hop; empty when nothing is traced. */
export const traceFields = (
  span: Span,
  context: Context,
): { readonly traceparent?: string; readonly tracestate?: string } => {
  const traceparent = traceparentOf(trace.setSpan(context, span));
  const tracestate = span.spanContext().traceState?.serialize();
  return {
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined || tracestate === '' ? {} : { tracestate }),
  };
};
