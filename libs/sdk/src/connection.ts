/**
 * The wire. One connection carries every call of a client; each call has a deadline, an abort signal and the caller's
 * trace context.
 */
import { Client, Metadata, type CallOptions, type ClientReadableStream, type MethodDefinition } from '@grpc/grpc-js';
import { propagation, trace, type Context } from '@opentelemetry/api';
import { HoldfastError, fromCallError } from './errors.js';
import type { Settings } from './options.js';
import { Deadline, withRetries } from './retry.js';

/** Messages of up to this many bytes are received. */
const MAX_RECEIVE_BYTES = 64 * 1024 * 1024;

const channelOptions = {
  // The channel reconnects as often as calls are retried; its own default backs off to two minutes, and every call
  // would fail until then.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // Nobody reads channelz, and its counters cost every call.
  'grpc.enable_channelz': 0,
  // A peer that is gone without a word is found within 40 s while a call waits for it.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
  // Retries are this package's own; gRPC's retry layer costs every call and keeps its messages.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // close() closes this client's connection and no other's.
  'grpc.use_local_subchannel_pool': 1,
};

/** What bounds and surrounds a call. */
export interface CallScope {
  readonly signal: AbortSignal;
  /** Total time, retries included; unset: no limit but the signal. */
  readonly deadline?: Deadline | undefined;
  /** Failures that pass by themselves here, although they do not in general. */
  readonly isPassing?: (error: HoldfastError) => boolean;
  /** Trace context that the call belongs to. */
  readonly context: Context;
}

/** A gRPC connection to the service. */
export class Connection {
  readonly settings: Settings;
  readonly #client: Client;
  #isClosed = false;

  constructor(settings: Settings) {
    this.settings = settings;
    this.#client = new Client(settings.address, settings.credentials, channelOptions);
  }

  /** Ends the connection once the calls that run have ended; no other can start. Modifies state. */
  close(): void {
    this.#isClosed = true;
    this.#client.close();
  }

  /** A short call with retries, within `timeouts.callMs` unless the scope has a deadline of its own. */
  unary<Req, Res>(method: MethodDefinition<Req, Res>, request: Req, scope: CallScope): Promise<Res> {
    const { callMs, attemptMs } = this.settings.timeouts;
    const deadline = scope.deadline ?? new Deadline(callMs);
    return this.retrying({ ...scope, deadline }, () => {
      const timeoutMs = Math.min(attemptMs, deadline.remainingMs());
      return this.#unaryOnce(method, request, { ...scope, deadline: new Deadline(timeoutMs) });
    });
  }

  /** Runs attempts under the client's retry policy; each retry is an event on the scope's span. */
  retrying<T>(scope: CallScope, attempt: (progressed: () => void) => Promise<T>): Promise<T> {
    const span = trace.getSpan(scope.context);
    const onRetry = (error: HoldfastError, delayMs: number): void => {
      span?.addEvent('holdfast.retry', {
        'holdfast.error.code': error.code,
        'holdfast.error.reason': error.reason ?? '',
        'holdfast.retry.delay_ms': Math.round(delayMs),
      });
    };
    const { signal, deadline, isPassing } = scope;
    return withRetries({ policy: this.settings.retry, deadline, signal, isPassing, onRetry }, attempt);
  }

  /**
   * One try of a streaming call. The consumer's pace is the stream's: nothing is read ahead but what the transport
   * holds. Leaving the loop early cancels the call. A message that `isLast` ends the loop at once: the status behind it
   * says nothing new, and waiting for it would cost every turn a trip of the event loop on both sides.
   */
  async *stream<Req, Res>(
    method: MethodDefinition<Req, Res>,
    request: Req,
    scope: CallScope & { readonly isLast?: (message: Res) => boolean },
  ): AsyncGenerator<Res> {
    this.#requireUsable(scope.signal);
    const { path, requestSerialize, responseDeserialize } = method;
    const [metadata, options] = [this.#metadataOf(scope.context), optionsOf(scope.deadline)];
    const stream: ClientReadableStream<Res> = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
    );
    // The loop below throws what comes while it runs. What comes after it, when the call is cancelled, has no reader:
    // without a listener Node would take it for an uncaught exception.
    stream.on('error', () => undefined);
    const cancel = (): void => stream.cancel();
    scope.signal.addEventListener('abort', cancel, { once: true });
    let isOver = false;
    try {
      for await (const message of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Res>) {
        isOver = scope.isLast?.(message) === true;
        yield message;
        if (isOver) return;
      }
    } catch (error) {
      scope.signal.throwIfAborted();
      throw fromCallError(error, this.#failedCall(method));
    } finally {
      scope.signal.removeEventListener('abort', cancel);
      if (isOver) stream.resume();
      else stream.cancel();
    }
  }

  #unaryOnce<Req, Res>(method: MethodDefinition<Req, Res>, request: Req, scope: CallScope): Promise<Res> {
    return new Promise<Res>((resolve, reject) => {
      this.#requireUsable(scope.signal);
      const { path, requestSerialize, responseDeserialize } = method;
      const [metadata, options] = [this.#metadataOf(scope.context), optionsOf(scope.deadline)];
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        options,
        (error, response) => {
          scope.signal.removeEventListener('abort', cancel);
          if (error !== null) reject(fromCallError(error, this.#failedCall(method)) as Error);
          else if (response === undefined) reject(new Error(`${path} answered neither an error nor a message`));
          else resolve(response);
        },
      );
      const cancel = (): void => call.cancel();
      scope.signal.addEventListener('abort', cancel, { once: true });
    });
  }

  #metadataOf(context: Context): Metadata {
    const { apiKey } = this.settings;
    const metadata = new Metadata();
    if (apiKey !== '') metadata.set('authorization', `Bearer ${apiKey}`);
    propagation.inject(context, metadata, { set: (carrier, key, value) => carrier.set(key, value) });
    return metadata;
  }

  #requireUsable(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (this.#isClosed) throw new HoldfastError({ code: 'FAILED_PRECONDITION', message: 'this client was closed' });
  }

  #failedCall({ path }: { readonly path: string }): { rpc: string; address: string } {
    return { rpc: path.slice(path.lastIndexOf('/') + 1), address: this.settings.address };
  }
}

const optionsOf = (deadline: Deadline | undefined): CallOptions =>
  deadline === undefined ? {} : { deadline: Date.now() + deadline.remainingMs() };
