/** The edge of each rpc: its span, the decoded request, and errors as gRPC statuses with details. */
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import { attributes, extractTrace, toGrpcStatus, type GrpcStatus } from '@holdfast/platform';
import type { Logger } from 'pino';
import { bearerToken, type Authenticator } from '../identity/authenticator.js';
import type { Identity, Role } from '../identity/identity.js';
import { roleInsufficient } from '../identity/identity-errors.js';
import type { CallerTrace } from '../telemetry/caller-trace.js';
import type { WireRequest } from './wire-request.js';

const SERVICE = 'holdfast.program.v1.ProgramService';
const tracer = trace.getTracer('@holdfast/control-plane');

/** What an rpc is for: viewers read, the other roles also run programs. */
type Access = 'run' | 'read';

const allowed: Readonly<Record<Access, readonly Role[]>> = {
  run: ['agent', 'operator', 'admin'],
  read: ['agent', 'viewer', 'operator', 'admin'],
};

/** One rpc. */
export interface Rpc {
  readonly method: string;
  readonly access: Access;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
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
        endRpc(span, null);
        callback(null, response);
      },
      (error: unknown) => {
        const status = toGrpcStatus(error, rpc.logger);
        endRpc(span, status);
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
    stream.on('cancelled', () => endRpc(span, status));
    stream.on('finish', () => endRpc(span, status));
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
  if (!allowed[access].includes(identity.role)) throw roleInsufficient(identity, allowed[access]);
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

const endRpc = (span: Span, status: GrpcStatus | null): void => {
  span.setAttribute(attributes.rpcStatus, status?.code ?? 0);
  if (status !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: status.details });
  span.end();
};
