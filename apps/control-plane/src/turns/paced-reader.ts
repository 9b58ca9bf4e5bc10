/**
 * Carries a turn to one caller at the caller's pace: nothing is written while the stream's buffer is full, so what a slow
 * caller costs is a cursor.
 */
import type { Writable } from 'node:stream';
import type { LiveTurn, TurnReader } from './live-turn.js';

/** Whom to read, and where to write. */
export interface PacedReaderOptions {
  readonly turn: LiveTurn;
  /** The caller's stream. */
  readonly stream: Writable;
  /** Starts to count how long the caller takes nothing; returns what stops it. */
  readonly startStallTimer?: () => () => void;
}

/** See the file header. */
export abstract class PacedReader implements TurnReader {
  readonly #turn: LiveTurn;
  readonly #stream: Writable;
  readonly #startStallTimer: (() => () => void) | undefined;
  #isOpen = true;
  #isBlocked = false;
  #stopStallTimer: (() => void) | undefined;

  protected constructor({ turn, stream, startStallTimer }: PacedReaderOptions) {
    this.#turn = turn;
    this.#stream = stream;
    this.#startStallTimer = startStallTimer;
    stream.on('drain', this.#onDrain);
    turn.attach(this);
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
  abstract advance(): void;

  /** Modifies state: the caller is gone, nothing more is written. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stopStallTimer?.();
    this.#stream.off('drain', this.#onDrain);
    this.#turn.detach(this);
  }

  /** Modifies state: writes, and is blocked from then on when the stream is full. */
  protected write(piece: unknown): void {
    if (this.#stream.write(piece) || this.#isBlocked) return;
    this.#isBlocked = true;
    this.#stopStallTimer = this.#startStallTimer?.();
  }

  readonly #onDrain = (): void => {
    this.#isBlocked = false;
    this.#stopStallTimer?.();
    this.advance();
    this.#turn.readerReady();
  };
}
