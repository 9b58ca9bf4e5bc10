/** The edge of each rpc: its span, the decoded request, and errors as gRPC statuses with details. */
import { status as codes, type sendUnaryData, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import { SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import { attributes, extractTrace, toGrpcStatus, type GrpcStatus } from '@holdfast/platform';
import type { Logger } from 'pino';
import { requireAccess, type Access } from '../identity/access.js';
import { bearerToken, type Authenticator } from '../identity/authenticator.js';
import type { Identity } from '../identity/identity.js';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import type { CallerTrace } from '../telemetry/caller-trace.js';
import type { WireRequest } from './wire-request.js';

const SERVICE = 'holdfast.program.v1.ProgramService';
const tracer = trace.getTracer('@holdfast/control-plane');

/** One rpc. */
export interface Rpc {
  readonly method: string;
  readonly access: Access;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  readonly metrics: ServiceMetrics;
}

/** An rpc under way. */
export interface RpcContext {
  readonly caller: CallerTrace;
  readonly identity: Identity;
}

type Call = Pick<ServerUnaryCall<unknown, unknown>, 'metadata'>;

interface RpcSpan {
  readonly span: Span;
  readonly caller: CallerTrace;
}

/** A unary rpc. */
export const unary =
  <Request, Response>(rpc: Rpc, handle: (request: Request, context: RpcContext) => Promise<Response>) =>
  (call: ServerUnaryCall<WireRequest<Request>, Response>, callback: sendUnaryData<Response>): void => {
    const { span, caller } = startRpc(rpc.method, call);
    const answer = async (): Promise<Response> => {
      const identity = await identify(rpc, call);
      return handle(messageOf(call.request), { caller, identity });
    };
    answer().then(
      (response) => {
        endRpc(rpc, span, null);
        callback(null, response);
      },
      (error: unknown) => {
        const status = toGrpcStatus(error, rpc.logger);
        endRpc(rpc, span, status);
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
    rpc: Rpc,
    handle: (request: Request, context: StreamContext<Request, Response>) => Promise<void>,
  ) =>
  (stream: ServerWritableStream<WireRequest<Request>, Response>): void => {
    const { span, caller } = startRpc(rpc.method, stream);
    let status: GrpcStatus | null = null;
    const fail = (error: unknown): void => {
      if (stream.cancelled || status !== null) return;
      status = toGrpcStatus(error, rpc.logger);
      stream.emit('error', status);
    };
    let hasEnded = false;
    const end = (how: RpcEnd | null): void => {
      if (!hasEnded) endRpc(rpc, span, how);
      hasEnded = true;
    };
    stream.on('cancelled', () => end(status ?? cancelled));
    stream.on('finish', () => end(status));
    const answer = async (): Promise<void> => {
      const identity = await identify(rpc, stream);
      await handle(messageOf(stream.request), { caller, identity, stream, fail });
    };
    answer().catch(fail);
  };

/** @throws DomainError CREDENTIALS_MISSING, CREDENTIALS_INVALID or ROLE_INSUFFICIENT. */
const identify = async ({ authenticator, access }: Rpc, { metadata }: Call): Promise<Identity> => {
  const [header] = authenticator.isOn ? metadata.get('authorization') : [];
  const identity = await authenticator.authenticate(bearerToken(typeof header === 'string' ? header : undefined));
  requireAccess(identity, access);
  return identity;
};

const messageOf = <Message>(request: WireRequest<Message>): Message => {
  if (!request.ok) throw request.error;
  return request.message;
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

/** How an rpc failed. */
type RpcEnd = Pick<GrpcStatus, 'code' | 'details'>;

const cancelled: RpcEnd = { code: codes.CANCELLED, details: 'the caller has left' };

const endRpc = ({ method, metrics }: Rpc, span: Span, how: RpcEnd | null): void => {
  metrics.count('holdfast_rpcs_total', { method, code: codes[how?.code ?? codes.OK] });
  span.setAttribute(attributes.rpcStatus, how?.code ?? 0);
  if (how !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: how.details });
  span.end();
};
