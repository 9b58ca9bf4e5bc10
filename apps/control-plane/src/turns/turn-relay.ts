/**
 * Carries a turn's events to one caller, at the caller's pace.
 *
 * Invariants: events go out in the order queued, started, deltas, finished (or an error); each output token goes out
 * once; nothing is written while the stream's buffer is full, so what a slow caller costs is a cursor.
 */
import type { program as wire } from '@holdfast/contracts';
import type { DomainError } from '@holdfast/platform';
import type { Writable } from 'node:stream';
import type { LiveTurn, TurnReader } from './live-turn.js';
import { deltaMessage, finishedMessage, queuedMessage, startedMessage } from './turn-messages.js';

/** Token ids in one delta at most: a caller that attaches late gets long output in pieces. */
const MAX_DELTA_TOKENS = 4_096;

/** Turns token ids into text, piece by piece; keeps incomplete characters back. */
export interface TextDecoder {
  push(ids: Uint32Array): string;
  end(): string;
}

/** One caller of a turn. */
export interface TurnRelayOptions {
  readonly turn: LiveTurn;
  /** The caller's stream, in object mode. */
  readonly stream: Writable;
  /** Ends the caller's stream with an error. */
  readonly fail: (error: DomainError) => void;
  /** For turns that came as messages. */
  readonly decoder?: TextDecoder;
  /** Starts to count how long the caller takes nothing; returns what stops it. */
  readonly startStallTimer?: () => () => void;
}

/** See the file header. */
export class TurnRelay implements TurnReader {
  readonly #options: TurnRelayOptions;
  #cursor = 0;
  #queuedSent = false;
  #attemptSent = 0;
  #isOpen = true;
  #isBlocked = false;
  #stopStallTimer: (() => void) | undefined;

  constructor(options: TurnRelayOptions) {
    this.#options = options;
    options.stream.on('drain', this.#onDrain);
    options.turn.attach(this);
    // A turn that was dispatched at once has its request to the engine on the way first: the engine's work is what the
    // caller waits for.
    setImmediate(() => this.advance());
  }

  /** True while the caller's stream is full. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** True until the last event was handed over or the caller left. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Modifies state: writes what is there and fits. */
  advance(): void {
    while (this.#isOpen && !this.#isBlocked) {
      const message = this.#next();
      if (message === null) return;
      if (this.#options.stream.write(message)) continue;
      this.#isBlocked = true;
      this.#stopStallTimer = this.#options.startStallTimer?.();
    }
  }

  /** Modifies state: the caller is gone, nothing more is written. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stopStallTimer?.();
    this.#options.stream.off('drain', this.#onDrain);
    this.#options.turn.detach(this);
  }

  readonly #onDrain = (): void => {
    this.#isBlocked = false;
    this.#stopStallTimer?.();
    this.advance();
    this.#options.turn.readerReady();
  };

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
    const ids = turn.output.view(this.#cursor, this.#cursor + MAX_DELTA_TOKENS);
    this.#cursor += ids.length;
    const isLast = turn.result !== null && this.#cursor === turn.output.length;
    const text = decoder === undefined ? '' : decoder.push(ids) + (isLast ? decoder.end() : '');
    return deltaMessage(ids, text);
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
