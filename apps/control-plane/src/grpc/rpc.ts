/** The edge of each rpc: its span, the decoded request, and errors as gRPC statuses with details. */
import { status as codes, type sendUnaryData, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import type { Context } from '@opentelemetry/api';
import { toGrpcStatus, type GrpcStatus } from '@holdfast/platform';
import type { Logger } from 'pino';
import { requireAccess, type Access } from '../identity/access.js';
import { bearerToken, type Authenticator } from '../identity/authenticator.js';
import type { Identity } from '../identity/identity.js';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import type { CallerTrace } from '../telemetry/caller-trace.js';
import { RpcSpan, type RpcEnd } from './rpc-span.js';
import type { WireRequest } from './wire-request.js';

/** One rpc. */
export interface Rpc {
  readonly method: string;
  readonly access: Access;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  readonly metrics: ServiceMetrics;
  /** Context of the program that a caller means by this id; undefined when it is not known here. May throw. */
  readonly programContext: (programId: string, identity: Identity) => Context | undefined;
}

/** An rpc under way. */
export interface RpcContext {
  readonly caller: CallerTrace;
  readonly identity: Identity;
}

type Call = Pick<ServerUnaryCall<WireRequest<unknown>, unknown>, 'metadata' | 'request'>;

/** A unary rpc. */
export const unary =
  <Request, Response>(rpc: Rpc, handle: (request: Request, context: RpcContext) => Promise<Response>) =>
  (call: ServerUnaryCall<WireRequest<Request>, Response>, callback: sendUnaryData<Response>): void => {
    const opening = openingOf(rpc, call);
    const answer = async (): Promise<Response> => {
      const identity = await identify(rpc, call);
      const { caller } = opening.span(identity);
      return handle(messageOf(call.request), { caller, identity });
    };
    answer().then(
      (response) => {
        opening.span().end(null, rpc.metrics);
        callback(null, response);
      },
      (error: unknown) => {
        const status = toGrpcStatus(error, rpc.logger);
        opening.span().end(status, rpc.metrics);
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
    const opening = openingOf(rpc, stream);
    let status: GrpcStatus | null = null;
    const fail = (error: unknown): void => {
      if (stream.cancelled || status !== null) return;
      status = toGrpcStatus(error, rpc.logger);
      stream.emit('error', status);
    };
    let hasEnded = false;
    const end = (how: RpcEnd | null): void => {
      if (!hasEnded) opening.span().end(how, rpc.metrics);
      hasEnded = true;
    };
    stream.on('cancelled', () => end(status ?? cancelled));
    stream.on('finish', () => end(status));
    const answer = async (): Promise<void> => {
      const identity = await identify(rpc, stream);
      const { caller } = opening.span(identity);
      await handle(messageOf(stream.request), { caller, identity, stream, fail });
    };
    answer().catch(fail);
  };

/** @throws DomainError CREDENTIALS_MISSING, CREDENTIALS_INVALID or ROLE_INSUFFICIENT. */
const identify = async ({ authenticator, access }: Rpc, { metadata }: Pick<Call, 'metadata'>): Promise<Identity> => {
  const [header] = authenticator.isOn ? metadata.get('authorization') : [];
  const identity = await authenticator.authenticate(bearerToken(typeof header === 'string' ? header : undefined));
  requireAccess(identity, access);
  return identity;
};

const messageOf = <Message>(request: WireRequest<Message>): Message => {
  if (!request.ok) throw request.error;
  return request.message;
};

/** The span of a call, made when it is known whose call it is, or that it has failed before. */
const openingOf = (
  { method, programContext }: Rpc,
  { metadata, request }: Call,
): { readonly span: (identity?: Identity) => RpcSpan } => {
  const arrivedAtMs = performance.now();
  let span: RpcSpan | null = null;
  const make = (identity?: Identity): RpcSpan => {
    const { programId = '' } = (request.ok ? request.message : {}) as { readonly programId?: string };
    const program = identity === undefined || programId === '' ? undefined : programContext(programId, identity);
    return new RpcSpan({ method, metadata, arrivedAtMs, ...(program === undefined ? {} : { program }) });
  };
  return { span: (identity) => (span ??= make(identity)) };
};

const cancelled: RpcEnd = { code: codes.CANCELLED, details: 'the caller has left' };
