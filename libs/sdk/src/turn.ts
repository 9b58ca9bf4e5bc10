import { program as wire } from '@holdfast/contracts';
import type { Connection, CallScope } from './connection.js';
import { HoldfastError } from './errors.js';
import { OutputFeed } from './output-feed.js';
import { ReplayAligner } from './replay.js';
import { deltaFromProto, turnResult, type TurnDelta, type TurnResult } from './turn-result.js';

const { runTurn } = wire.ProgramServiceService;

/** What a {@link Turn} is made of; see `Program.turn`. */
export interface TurnStart {
  readonly requestId: string;
  /** Aborting it cancels the turn. */
  readonly abort: AbortController;
  /** Runs the turn into the feed. Called once, at once. */
  readonly run: (feed: OutputFeed) => Promise<TurnResult>;
}

/**
 * A turn that was submitted. `await turn` gives its result; `for await (const delta of turn)` gives its output as it
 * comes, and `await turn` after it the result, without running anything twice. A loop that is slower than the model
 * slows the stream, unless somebody awaits the result at the same time. Leaving the loop early does not cancel the
 * turn: `cancel()` and the `signal` option do.
 */
export class Turn implements PromiseLike<TurnResult>, AsyncIterable<TurnDelta> {
  /** Idempotency key: submitting the same input under it again gives this turn, not another. */
  readonly requestId: string;
  readonly #feed = new OutputFeed();
  readonly #result: Promise<TurnResult>;
  readonly #abort: AbortController;

  /** For `Program.turn`. */
  constructor({ requestId, abort, run }: TurnStart) {
    this.requestId = requestId;
    this.#abort = abort;
    this.#result = run(this.#feed);
    // A failure that nobody awaits is on the trace. It must not end the process; whoever awaits gets it.
    this.#result.catch(() => undefined);
  }

  /** The finished turn, as a promise. */
  get result(): Promise<TurnResult> {
    this.#feed.wantWhole();
    return this.#result;
  }

  /** Waits for the finished turn: `await turn`. */
  then<Fulfilled = TurnResult, Rejected = never>(
    onFulfilled?: ((result: TurnResult) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((error: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.result.then(onFulfilled, onRejected);
  }

  /** The output as it comes, from its beginning; several loops see the same. */
  [Symbol.asyncIterator](): AsyncIterator<TurnDelta, undefined> {
    return this.#feed.read();
  }

  /** Cancels the turn, on the engine too: it rejects with `reason`, or an AbortError. Modifies state. */
  cancel(reason?: unknown): void {
    this.#abort.abort(reason);
  }
}

/** What {@link receiveTurn} needs. */
export interface TurnCall {
  readonly connection: Connection;
  readonly request: wire.RunTurnRequest;
  readonly scope: CallScope;
  readonly feed: OutputFeed;
}

/**
 * Runs a turn: tries it until it finishes, always with the same request, so that the service attaches a later try to
 * the turn that runs, or replays it. Modifies state.
 *
 * @throws ReplayDivergedError when output that a reader took is not part of the finished turn's.
 */
export async function receiveTurn(call: TurnCall): Promise<TurnResult> {
  const { connection, scope, feed } = call;
  // Once aborted, the end of the stream is taken in without waiting for a reader that may never come back.
  const onAbort = (): void => feed.wantWhole();
  scope.signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await connection.retrying(scope, (progressed) => receiveOnce(call, progressed));
  } finally {
    scope.signal.removeEventListener('abort', onAbort);
  }
}

const isFinished = ({ event }: wire.RunTurnResponse): boolean => event?.$case === 'finished';

async function receiveOnce(
  { connection, request, scope, feed }: TurnCall,
  progressed: () => void,
): Promise<TurnResult> {
  feed.dropUnread();
  const replay = new ReplayAligner(feed.output(), request.requestId);
  let queued: wire.TurnQueued | undefined;
  let started: wire.TurnStarted | undefined;
  let result: TurnResult | undefined;
  try {
    for await (const { event } of connection.stream(runTurn, request, { ...scope, isLast: isFinished })) {
      switch (event?.$case) {
        case 'queued':
          queued = event.value;
          break;
        case 'started':
          started = event.value;
          break;
        case 'delta': {
          const fresh = replay.next(deltaFromProto(event.value));
          if (fresh === undefined) break;
          progressed();
          feed.push(fresh);
          await feed.room();
          break;
        }
        case 'finished': {
          replay.finish();
          const output = feed.output();
          result = turnResult({ requestId: request.requestId, output, queued, started, finished: event.value });
          break;
        }
        default: // An event that this version does not know.
      }
    }
  } catch (error) {
    // The result is complete; that its stream then broke instead of ending takes nothing from it.
    if (result === undefined) throw error;
  }
  if (result !== undefined) return result;
  throw new HoldfastError({
    code: 'INTERNAL',
    message: `RunTurn at ${connection.settings.address}: the stream of turn ${request.requestId} ended before the turn`,
  });
}
