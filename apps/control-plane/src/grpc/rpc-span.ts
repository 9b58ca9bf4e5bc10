/**
 * The span of an rpc: in its caller's trace, else in that of the program it names, else a trace of its own. So a program
 * of callers that do not trace is one trace too, recorded as a whole or not at all.
 */
import { status as codes, type Metadata } from '@grpc/grpc-js';
import { attributes, extractTrace, type GrpcStatus } from '@holdfast/platform';
import { type Context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import { parentContext, type CallerTrace } from '../telemetry/caller-trace.js';

const SERVICE = 'holdfast.program.v1.ProgramService';
const tracer = trace.getTracer('@holdfast/control-plane');

/** How an rpc failed. */
export type RpcEnd = Pick<GrpcStatus, 'code' | 'details'>;

/** What an rpc's span starts with. */
export interface RpcSpanInit {
  readonly method: string;
  readonly metadata: Metadata;
  /** When the call came in, by `performance.now()`. */
  readonly arrivedAtMs: number;
  /** Context of the program that an admitted caller named, if it is known here. */
  readonly program?: Context;
}

/** See the file header. */
export class RpcSpan {
  readonly caller: CallerTrace;
  readonly #span: Span;
  readonly #method: string;

  constructor({ method, metadata, arrivedAtMs, program }: RpcSpanInit) {
    const parent = parentContext(extractTrace(metadata), program);
    const options = {
      kind: SpanKind.SERVER,
      startTime: arrivedAtMs,
      attributes: {
        [attributes.rpcSystem]: 'grpc',
        [attributes.rpcService]: SERVICE,
        [attributes.rpcMethod]: method,
      },
    };
    this.#span = tracer.startSpan(`${SERVICE}/${method}`, options, parent);
    this.#method = method;
    this.caller = { context: trace.setSpan(parent, this.#span) };
  }

  /** Modifies state, and counts the call. Null: it went well. */
  end(how: RpcEnd | null, metrics: ServiceMetrics): void {
    const code = how?.code ?? codes.OK;
    metrics.count('holdfast_rpcs_total', { method: this.#method, code: codes[code] });
    this.#span.setAttribute(attributes.rpcStatus, code);
    if (how !== null) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: how.details });
    this.#span.end();
  }
}
