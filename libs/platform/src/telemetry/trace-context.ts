/** Trace context across processes and restarts, in the form of W3C Trace Context. */
import type { Metadata } from '@grpc/grpc-js';
import type { IncomingHttpHeaders } from 'node:http';
import { type Context, ROOT_CONTEXT, type TextMapGetter, type TextMapSetter } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';

/** Its own propagator: context passes through also where no telemetry was started. */
const propagator = new W3CTraceContextPropagator();

const metadataSetter: TextMapSetter<Metadata> = { set: (metadata, key, value) => metadata.set(key, value) };
const metadataGetter: TextMapGetter<Metadata> = {
  keys: (metadata) => Object.keys(metadata.getMap()),
  get: (metadata, key) => metadata.get(key).map(String)[0],
};

const headersGetter: TextMapGetter<IncomingHttpHeaders> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, key) => headers[key],
};

interface TraceFields {
  traceparent?: string;
  tracestate?: string;
}
const fieldsSetter: TextMapSetter<TraceFields> = {
  set: (fields, key, value) => void Object.assign(fields, { [key]: value }),
};
const fieldsGetter: TextMapGetter<TraceFields> = {
  keys: (fields) => Object.keys(fields),
  get: (fields, key) => fields[key as keyof TraceFields],
};

/** Writes the trace of `context` into gRPC metadata; without a valid span it writes nothing. Modifies `metadata`. */
export const injectTrace = (context: Context, metadata: Metadata): void =>
  propagator.inject(context, metadata, metadataSetter);

/** Pure. The caller's context from gRPC metadata; the root context when there is none or it is malformed. */
export const extractTrace = (metadata: Metadata): Context => propagator.extract(ROOT_CONTEXT, metadata, metadataGetter);

/** Pure. The same from the headers of an HTTP request. */
export const traceOfHeaders = (headers: IncomingHttpHeaders): Context =>
  propagator.extract(ROOT_CONTEXT, headers, headersGetter);

/** Pure. The W3C traceparent of a context's span, to be stored; undefined without a valid span. */
export function traceparentOf(context: Context): string | undefined {
  const fields: TraceFields = {};
  propagator.inject(context, fields, fieldsSetter);
  return fields.traceparent;
}

/** Pure. A context under a stored traceparent: a trace goes on over hours and restarts. Root when it is malformed. */
export const contextOf = (traceparent: string | undefined): Context =>
  propagator.extract(ROOT_CONTEXT, traceparent === undefined ? {} : { traceparent }, fieldsGetter);
