import { ReplayDivergedError } from './errors.js';
import type { TurnDelta } from './turn-result.js';

/**
 * Aligns the output of another try with what was handed out before: it is compared with it, not handed out twice. Token
 * ids and text are aligned apart, since the service may cut the same output into deltas at other places.
 */
export class ReplayAligner {
  readonly #handedOut: TurnDelta;
  readonly #requestId: string;
  #tokenCursor = 0;
  #textCursor = 0;

  constructor(handedOut: TurnDelta, requestId: string) {
    this.#handedOut = handedOut;
    this.#requestId = requestId;
  }

  /**
   * The part of `delta` that is new; undefined when nothing is. Modifies state.
   *
   * @throws ReplayDivergedError when the part that is not new differs from what was handed out.
   */
  next(delta: TurnDelta): TurnDelta | undefined {
    const { tokenIds, text } = this.#handedOut;
    const knownIds = tokenIds.slice(this.#tokenCursor, this.#tokenCursor + delta.tokenIds.length);
    const differs = knownIds.findIndex((id, index) => id !== delta.tokenIds[index]);
    if (differs >= 0) throw this.#diverged(this.#tokenCursor + differs);
    const knownText = text.slice(this.#textCursor, this.#textCursor + delta.text.length);
    if (!delta.text.startsWith(knownText)) throw this.#diverged(this.#tokenCursor + knownIds.length);
    this.#tokenCursor += knownIds.length;
    this.#textCursor += knownText.length;
    const fresh = {
      tokenIds: delta.tokenIds.slice(knownIds.length),
      text: delta.text.slice(knownText.length),
      ...(delta.logprobs === undefined ? {} : { logprobs: delta.logprobs.slice(knownIds.length) }),
    };
    return fresh.tokenIds.length === 0 && fresh.text === '' ? undefined : fresh;
  }

  /** Throws ReplayDivergedError when the replay ended before the end of what was handed out. */
  finish(): void {
    const { tokenIds, text } = this.#handedOut;
    if (this.#tokenCursor < tokenIds.length || this.#textCursor < text.length) throw this.#diverged(this.#tokenCursor);
  }

  #diverged(tokenIndex: number): ReplayDivergedError {
    const handedOut = this.#handedOut.tokenIds.length;
    return new ReplayDivergedError({
      code: 'ABORTED',
      message:
        `turn ${this.#requestId} was cut after ${handedOut} output tokens, and its second run differs at token ` +
        `${tokenIndex}; drop the output and submit the turn with a new request id`,
      metadata: { requestId: this.#requestId, handedOutTokens: String(handedOut), tokenIndex: String(tokenIndex) },
    });
  }
}
