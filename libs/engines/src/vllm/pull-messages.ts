import type { Client, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { EngineError } from '../engine-error.js';
import { isConnected } from './channel.js';
import { statusToError } from './status-to-error.js';

/** Options of {@link pullMessages}. */
export interface PullOptions {
  readonly engineId: string;
  readonly method: string;
  readonly client: Client;
  /** Longest wait for the first message, in milliseconds. */
  readonly firstMessageMs: number;
  /** Longest wait for each further message, in milliseconds. */
  readonly idleMs: number;
  /** Ends the call with CALLER_CANCELLED. */
  readonly signal: AbortSignal;
}

/**
 * The messages of a server stream, one for each pull. Nobody pulls: at most the stream's small buffer is read and HTTP/2
 * flow control holds the engine back. The deadlines run only while somebody waits. However the loop ends, the call is
 * cancelled, which aborts the request in the engine. Errors are EngineError.
 */
export async function* pullMessages<Message>(
  stream: ClientReadableStream<Message>,
  options: PullOptions,
): AsyncGenerator<Message, void, undefined> {
  const source = watchStream(stream);
  // At once, not at the next pull: a consumer that is busy elsewhere must not keep an aborted request running.
  const cancelCall = (): void => stream.cancel();
  options.signal.addEventListener('abort', cancelCall, { once: true });
  let waitMs = options.firstMessageMs;
  try {
    for (;;) {
      if (options.signal.aborted) throw cancelled(options);
      const message = source.read();
      if (message !== undefined) {
        waitMs = options.idleMs;
        yield message;
      } else if (source.failure() !== undefined) {
        throw statusToError(source.failure() as ServiceError, {
          ...options,
          wasConnected: isConnected(options.client),
        });
      } else if (source.ended()) {
        return;
      } else {
        await waitForNews(source, waitMs, options);
      }
    }
  } finally {
    options.signal.removeEventListener('abort', cancelCall);
    stream.cancel();
  }
}

interface StreamSource<Message> {
  /** The next buffered message. */
  read(): Message | undefined;
  ended(): boolean;
  failure(): ServiceError | undefined;
  /** Calls `wake` at the next event, once. */
  onNews(wake: () => void): void;
}

const watchStream = <Message>(stream: ClientReadableStream<Message>): StreamSource<Message> => {
  let hasEnded = false;
  let failure: ServiceError | undefined;
  let wake: () => void = () => undefined;
  const news = (): void => wake();
  stream.on('readable', news);
  stream.on('end', () => {
    hasEnded = true;
    news();
  });
  // Stays attached for good: an error after the loop has ended (the cancellation itself) must not become an exception.
  stream.on('error', (error: ServiceError) => {
    failure ??= error;
    news();
  });
  return {
    read: () => (stream.read() as Message | null) ?? undefined,
    ended: () => hasEnded,
    failure: () => failure,
    onNews: (callback) => void (wake = callback),
  };
};

const waitForNews = (source: StreamSource<unknown>, waitMs: number, options: PullOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    const { signal } = options;
    const finish = (settle: () => void) => (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      source.onNews(() => undefined);
      settle();
    };
    const onAbort = finish(() => reject(cancelled(options)));
    const timer = setTimeout(
      finish(() => reject(idle(waitMs, options))),
      waitMs,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    source.onNews(finish(resolve));
  });

const cancelled = ({ engineId, method, signal }: PullOptions): EngineError =>
  new EngineError({
    reason: 'CALLER_CANCELLED',
    engineId,
    message: `${method}: the caller aborted`,
    cause: signal.reason as unknown,
  });

const idle = (waitMs: number, { engineId, method, client }: PullOptions): EngineError =>
  isConnected(client)
    ? new EngineError({ reason: 'ENGINE_DEADLINE', engineId, message: `${method}: no message for ${waitMs} ms` })
    : new EngineError({ reason: 'ENGINE_UNREACHABLE', engineId, message: `${method}: no connection for ${waitMs} ms` });
