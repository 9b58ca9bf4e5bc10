import {
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  Metadata,
  type ServiceError,
  connectivityState,
  credentials,
} from '@grpc/grpc-js';
import type { EngineError } from '../engine-error.js';
import type { VllmClientOptions, VllmTls } from './options.js';
import { resolveTimeouts } from './options.js';
import { statusToError } from './status-to-error.js';

/** A prompt of 200,000 tokens takes under 1 MB; tokenizer archives and long answers need room. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Pure. The channel settings of an engine connection. */
export const channelOptions = (options: VllmClientOptions): ChannelOptions => {
  const timeouts = resolveTimeouts(options.timeouts);
  return {
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    // Nobody reads channelz, and its counters cost every call.
    'grpc.enable_channelz': 0,
    'grpc.keepalive_time_ms': timeouts.keepaliveMs,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.keepalive_permit_without_calls': 0,
    'grpc.initial_reconnect_backoff_ms': Math.min(100, timeouts.maxReconnectMs),
    'grpc.min_reconnect_backoff_ms': Math.min(100, timeouts.maxReconnectMs),
    'grpc.max_reconnect_backoff_ms': timeouts.maxReconnectMs,
    // What may be tried again is decided by the caller; gRPC's own retry layer costs every call and keeps its messages.
    'grpc.enable_retries': 0,
    // One connection a client: a client that backs off does not slow another one of the same address down.
    'grpc.use_local_subchannel_pool': 1,
    ...(options.tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': options.tls.serverName }),
  };
};

/** Pure. */
export const channelCredentials = (tls: VllmTls | undefined): ChannelCredentials =>
  tls === undefined
    ? credentials.createInsecure()
    : credentials.createSsl(tls.rootCertificates ?? null, tls.privateKey ?? null, tls.certificateChain ?? null);

type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** Runs unary calls of one engine under a deadline. */
export interface UnaryCaller {
  <Request, Response>(
    method: string,
    client: Client,
    call: UnaryMethod<Request, Response>,
    request: Request,
  ): Promise<Response>;
}

/** Options of {@link createUnaryCaller}. */
export interface UnaryCallerOptions {
  readonly engineId: string;
  readonly deadlineMs: number;
  /** Sees each error before the caller does. */
  readonly onError: (error: EngineError, client: Client) => void;
}

/** A caller whose errors are EngineError. */
export const createUnaryCaller =
  (options: UnaryCallerOptions): UnaryCaller =>
  (method, client, call, request) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + options.deadlineMs;
      call.call(client, request, new Metadata(), { deadline }, (error, response) => {
        if (error === null) return resolve(response);
        const failed = { engineId: options.engineId, method, wasConnected: isConnected(client) };
        const engineError = statusToError(error, failed);
        options.onError(engineError, client);
        reject(engineError);
      });
    });

/** True when the client's channel is ready now. */
export const isConnected = (client: Client): boolean =>
  client.getChannel().getConnectivityState(false) === connectivityState.READY;
