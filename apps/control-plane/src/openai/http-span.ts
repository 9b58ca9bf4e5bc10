/**
 * The span of an HTTP request: in its caller's trace, else in that of the program that it turns out to belong to, else a
 * trace of its own, which a program that it begins joins. So it is started late, with the time at which the request came.
 */
import { attributes, traceOfHeaders } from '@holdfast/platform';
import { type Context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { IncomingHttpHeaders } from 'node:http';
import { parentContext, type CallerTrace } from '../telemetry/caller-trace.js';

const tracer = trace.getTracer('@holdfast/control-plane');

/** A request that has just come in. */
export interface HttpSpanInit {
  readonly method: string;
  /** Path as it is routed, without what stands for a name. */
  readonly route: string;
  readonly headers: IncomingHttpHeaders;
}

/** See the file header. Owns state: one request. */
export class HttpSpan {
  readonly #init: HttpSpanInit;
  readonly #arrivedAtMs = performance.now();
  #started: { readonly span: Span; readonly caller: CallerTrace } | null = null;

  constructor(init: HttpSpanInit) {
    this.#init = init;
  }

  /** Modifies state: starts the span, within `program` unless the caller traces itself. What is under way is below it. */
  caller(program?: Context): CallerTrace {
    return this.#start(program).caller;
  }

  /** Modifies state. `hasAll`: the client took the answer to its end. */
  end({ status, hasAll }: { readonly status: number; readonly hasAll: boolean }): void {
    const { span } = this.#start(undefined);
    if (hasAll) span.setAttribute(attributes.httpStatus, status);
    if (!hasAll || status >= 500) {
      const reason = hasAll ? String(status) : 'CALLER_CANCELLED';
      span.setAttribute(attributes.errorType, reason);
      span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
    }
    span.end();
  }

  #start(program: Context | undefined): { readonly span: Span; readonly caller: CallerTrace } {
    if (this.#started !== null) return this.#started;
    const { method, route, headers } = this.#init;
    const parent = parentContext(traceOfHeaders(headers), program);
    const own = { [attributes.httpMethod]: method, [attributes.httpRoute]: route };
    const options = { kind: SpanKind.SERVER, startTime: this.#arrivedAtMs, attributes: own };
    const span = tracer.startSpan(`${method} ${route}`, options, parent);
    this.#started = { span, caller: { context: trace.setSpan(parent, span) } };
    return this.#started;
  }
}
