/**
 * Carries a turn's events to one caller.
 *
 * Invariants: events go out in the order queued, started, deltas, finished (or an error); each output token goes out
 * once.
 */
import type { program as wire } from '@holdfast/contracts';
import type { DomainError } from '@holdfast/platform';
import { PacedReader, type PacedReaderOptions } from './paced-reader.js';
import { deltaMessage, finishedMessage, logprobMessages, queuedMessage, startedMessage } from './turn-messages.js';

/** Token ids in one delta at most: a caller that attaches late gets long output in pieces. */
const MAX_DELTA_TOKENS = 4_096;

/** Turns token ids into text, piece by piece; keeps incomplete characters back. */
export interface TextDecoder {
  push(ids: Uint32Array): string;
  end(): string;
}

/** One caller of a turn; the stream is in object mode. */
export interface TurnRelayOptions extends PacedReaderOptions {
  /** Ends the caller's stream with an error. */
  readonly fail: (error: DomainError) => void;
  /** For turns that came as messages. */
  readonly decoder?: TextDecoder;
  /** Text of one token, for the log probabilities of such turns. */
  readonly textOf?: (tokenId: number) => string;
}

/** See the file header. */
export class TurnRelay extends PacedReader {
  readonly #options: TurnRelayOptions;
  #cursor = 0;
  #queuedSent = false;
  #attemptSent = 0;

  constructor(options: TurnRelayOptions) {
    super(options);
    this.#options = options;
  }

  /** Modifies state: writes what is there and fits. */
  advance(): void {
    while (this.isOpen && !this.isBlocked) {
      const message = this.#next();
      if (message === null) return;
      this.write(message);
    }
  }

  #next(): wire.RunTurnResponse | null {
    const { turn } = this.#options;
    if (turn.queued !== null && !this.#queuedSent) {
      this.#queuedSent = true;
      return queuedMessage(turn, turn.queued.queueLength);
    }
    if (turn.dispatch !== null && this.#queuedSent && this.#attemptSent < turn.dispatch.attempt) {
      this.#attemptSent = turn.dispatch.attempt;
      return startedMessage(turn, turn.dispatch);
    }
    if (this.#cursor < turn.output.length) return this.#delta();
    if (turn.hasEnded) this.#end();
    return null;
  }

  #delta(): wire.RunTurnResponse {
    const { turn, decoder } = this.#options;
    const from = this.#cursor;
    const ids = turn.output.view(from, from + MAX_DELTA_TOKENS);
    this.#cursor += ids.length;
    const isLast = turn.result !== null && this.#cursor === turn.output.length;
    const text = decoder === undefined ? '' : decoder.push(ids) + (isLast ? decoder.end() : '');
    const logprobs = logprobMessages(turn, { from, to: this.#cursor }, this.#options.textOf);
    return deltaMessage(ids, text, logprobs);
  }

  #end(): void {
    const { turn, stream, fail } = this.#options;
    this.close();
    if (turn.result !== null) {
      stream.write(finishedMessage(turn, turn.result));
      stream.end();
    } else if (turn.error !== null) {
      fail(turn.error);
    }
  }
}
