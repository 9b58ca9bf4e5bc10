import { type Context, ROOT_CONTEXT, type Span, TraceFlags, isSpanContextValid, trace } from '@opentelemetry/api';

const traceparentPattern = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The trace that a call belongs to. */
export interface CallerTrace {
  /** Context whose span is the rpc's own. */
  readonly context: Context;
  /** Trace id of the caller's span; null when the caller sent none. */
  readonly traceId: string | null;
}

/** Pure. The context of a W3C traceparent; the root context for anything else. */
export const contextOfTraceparent = (traceparent: string | undefined): Context => {
  const [, traceId, spanId, flags] = traceparentPattern.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT;
};

/** Pure. The W3C traceparent of a span; undefined when nothing is traced. */
export const traceparentOf = (span: Span): string | undefined => {
  const spanContext = span.spanContext();
  if (!isSpanContextValid(spanContext)) return undefined;
  const flags = (spanContext.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0');
  return `00-${spanContext.traceId}-${spanContext.spanId}-${flags}`;
};
