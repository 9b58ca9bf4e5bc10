/** The edge of each rpc: its span, the decoded request, and errors as gRPC statuses with details. */
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import { attributes, extractTrace, toGrpcStatus, type GrpcStatus } from '@holdfast/platform';
import type { Logger } from 'pino';
import type { CallerTrace } from '../telemetry/caller-trace.js';
import type { WireRequest } from './wire-request.js';

const SERVICE = 'holdfast.program.v1.ProgramService';
const tracer = trace.getTracer('@holdfast/control-plane');

/** An rpc under way. */
export interface RpcContext {
  readonly caller: CallerTrace;
}

type Call = Pick<ServerUnaryCall<unknown, unknown>, 'metadata'>;

interface RpcSpan extends RpcContext {
  readonly span: Span;
}

/** A unary rpc. */
export const unary =
  <Request, Response>(
    method: string,
    logger: Logger,
    handle: (request: Request, context: RpcContext) => Promise<Response>,
  ) =>
  (call: ServerUnaryCall<WireRequest<Request>, Response>, callback: sendUnaryData<Response>): void => {
    const rpc = startRpc(method, call);
    const answer = call.request.ok ? handle(call.request.message, rpc) : Promise.reject(call.request.error);
    answer.then(
      (response) => {
        endRpc(rpc.span, null);
        callback(null, response);
      },
      (error: unknown) => {
        const status = toGrpcStatus(error, logger);
        endRpc(rpc.span, status);
        callback(status);
      },
    );
  };

/** A stream on its way to the caller. */
export interface StreamContext<Request, Response> extends RpcContext {
  readonly stream: ServerWritableStream<WireRequest<Request>, Response>;
  /** Ends the stream with an error. */
  readonly fail: (error: unknown) => void;
}

/** A server-streaming rpc. The handler ends the stream itself, now or later. */
export const serverStream =
  <Request, Response>(
    method: string,
    logger: Logger,
    handle: (request: Request, context: StreamContext<Request, Response>) => Promise<void>,
  ) =>
  (stream: ServerWritableStream<WireRequest<Request>, Response>): void => {
    const rpc = startRpc(method, stream);
    let status: GrpcStatus | null = null;
    const fail = (error: unknown): void => {
      if (stream.cancelled || status !== null) return;
      status = toGrpcStatus(error, logger);
      stream.emit('error', status);
    };
    stream.on('cancelled', () => endRpc(rpc.span, status));
    stream.on('finish', () => endRpc(rpc.span, status));
    if (!stream.request.ok) {
      fail(stream.request.error);
      return;
    }
    handle(stream.request.message, { ...rpc, stream, fail }).catch(fail);
  };

const startRpc = (method: string, call: Call): RpcSpan => {
  const parent = extractTrace(call.metadata);
  const span = tracer.startSpan(
    `${SERVICE}/${method}`,
    {
      kind: SpanKind.SERVER,
      attributes: {
        [attributes.rpcSystem]: 'grpc',
        [attributes.rpcService]: SERVICE,
        [attributes.rpcMethod]: method,
      },
    },
    parent,
  );
  return { span, caller: { context: trace.setSpan(parent, span) } };
};

const endRpc = (span: Span, status: GrpcStatus | null): void => {
  span.setAttribute(attributes.rpcStatus, status?.code ?? 0);
  if (status !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: status.details });
  span.end();
};
