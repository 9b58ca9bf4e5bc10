import type { Client, ServiceError } from '@grpc/grpc-js';
import { EngineError } from '../engine-error.js';
import { isConnected } from './channel.js';
import type { MessageSource } from './message-source.js';
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
 * The messages of an answer, one for each pull. Nobody pulls: at most the source's small buffer is read and the engine is
 * held back. The deadlines run only while somebody waits. However the loop ends, the call is
 * cancelled, which aborts the request in the engine. Errors are EngineError.
 */
export async function* pullMessages<Message>(
  source: MessageSource<Message>,
  options: PullOptions,
): AsyncGenerator<Message, void, undefined> {
  const wait = waitingFor(source);
  // At once, not at the next pull: a consumer that is busy elsewhere must not keep an aborted request running.
  const cancelCall = (): void => {
    source.cancel();
    wait.end('news');
  };
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
      } else if ((await wait.start(waitMs)) === 'late') {
        throw idle(waitMs, options);
      }
    }
  } finally {
    wait.close();
    options.signal.removeEventListener('abort', cancelCall);
    source.cancel();
  }
}

type WaitEnd = 'news' | 'late';

interface Wait {
  /** Resolves at the next event, or after `waitMs` milliseconds without one. One wait at a time. */
  start(waitMs: number): Promise<WaitEnd>;
  /** Ends the wait, if there is one. */
  end(how: WaitEnd): void;
  close(): void;
}

/** One timer for all waits of a stream, started anew for each: a timer for every token of every answer would be felt. */
const waitingFor = (source: MessageSource<unknown>): Wait => {
  let resolve: ((how: WaitEnd) => void) | null = null;
  let timer: NodeJS.Timeout | undefined;
  let timerMs = -1;
  const end = (how: WaitEnd): void => {
    const waiting = resolve;
    resolve = null;
    waiting?.(how);
  };
  source.onNews(() => end('news'));
  return {
    start: (waitMs) => {
      if (waitMs === timerMs) {
        timer?.refresh();
      } else {
        clearTimeout(timer);
        timer = setTimeout(() => end('late'), waitMs);
        timerMs = waitMs;
      }
      return new Promise((settle) => (resolve = settle));
    },
    end,
    close: () => clearTimeout(timer),
  };
};

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
