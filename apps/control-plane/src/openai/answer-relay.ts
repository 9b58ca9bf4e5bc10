/**
 * Carries a turn's answer to one HTTP client, as server-sent events or as one body.
 *
 * Invariants: no status is sent before the turn is dispatched, so what fails until then has its own; the books of the
 * conversation are closed right behind the last byte, before anything that it brings about can come in.
 */
import { DomainError } from '@holdfast/platform';
import type { ServerResponse } from 'node:http';
import type { TurnResult } from '../turns/live-turn.js';
import { PacedReader } from '../turns/paced-reader.js';
import type { TextDecoder } from '../turns/turn-relay.js';
import { dispatchHeaders, resultFacts, resultHeaders, type TenantTurn } from './answer-facts.js';
import { usageOf, type AnswerForm } from './answer-form.js';
import { shownLogprobs, type ShownLogprob } from './answer-logprobs.js';
import type { AnswerEnd, AnswerText } from './answer-text.js';

/** Token ids decoded at once at most. */
const MAX_PIECE_TOKENS = 4_096;

/**
 * How long the head of a stream waits for the first token after the dispatch. Most come sooner: then client and service
 * have one write and one wake-up less, at the moment when the engine's answer is what everybody waits for.
 */
const HEAD_WAIT_MS = 50;

/** One answer on its way. */
export interface AnswerRelayOptions extends TenantTurn {
  readonly response: ServerResponse;
  readonly form: AnswerForm;
  readonly text: AnswerText;
  readonly decoder: TextDecoder;
  /** Text of one token by itself. */
  readonly textOf: (tokenId: number) => string;
  readonly isStreamed: boolean;
  readonly includeUsage: boolean;
  /** Closes the conversation's books. */
  readonly onFinished: (result: TurnResult, end: AnswerEnd) => void;
  /** The turn has no answer; before or amid the body. */
  readonly onFailed: (error: DomainError) => void;
  /** Starts to count how long the client takes nothing; returns what stops it. */
  readonly startStallTimer: () => () => void;
}

/** See the file header. */
export class AnswerRelay extends PacedReader {
  readonly #options: AnswerRelayOptions;
  #cursor = 0;
  /** Tokens whose log probabilities went out. */
  #toldTokens = 0;
  #headTimer: NodeJS.Timeout | undefined;

  constructor(options: AnswerRelayOptions) {
    super({ ...options, stream: options.response });
    this.#options = options;
  }

  /** Modifies state: writes what is there and fits. */
  advance(): void {
    const { turn, isStreamed } = this.#options;
    if (isStreamed && this.isOpen && turn.dispatch !== null) {
      this.#headTimer ??= setTimeout(() => this.#writeHead(), HEAD_WAIT_MS);
    }
    while (this.isOpen && !this.isBlocked) {
      if (isStreamed && this.#cursor < turn.output.length) this.#writePiece();
      else if (turn.result !== null) this.#finish(turn.result);
      else if (turn.error !== null) this.#fail(turn.error);
      else return;
    }
  }

  /** Modifies state: the client is gone, nothing more is written. */
  override close(): void {
    clearTimeout(this.#headTimer);
    super.close();
  }

  #writeHead(): void {
    const head = this.#head();
    if (head === '') this.#options.response.flushHeaders();
    else this.write(head);
  }

  /** Modifies state. What the body begins with, once; the headers go out with the first write. */
  #head(): string {
    const { response, form } = this.#options;
    if (response.headersSent) return '';
    clearTimeout(this.#headTimer);
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      ...dispatchHeaders(this.#options),
    });
    const head = form.head();
    return head === null ? '' : eventOf(head);
  }

  #writePiece(): void {
    const { text, form } = this.#options;
    const shown = text.push(this.#decodeMore());
    // One write: the client wakes up once for its first token. With nothing to show yet, the head has its timer.
    if (shown !== '') this.write(this.#head() + eventOf(form.text(shown, this.#newLogprobs())));
  }

  #decodeMore(): string {
    const { turn, decoder } = this.#options;
    const ids = turn.output.view(this.#cursor, this.#cursor + MAX_PIECE_TOKENS);
    this.#cursor += ids.length;
    return decoder.push(ids);
  }

  /** Modifies state. Of the tokens up to the cursor that have not gone out yet; null when nobody asked for any. */
  #newLogprobs(): readonly ShownLogprob[] | null {
    const { turn, textOf } = this.#options;
    if (turn.plan?.sampling.logprobs === undefined) return null;
    const from = this.#toldTokens;
    this.#toldTokens = this.#cursor;
    return shownLogprobs(turn, { from, to: this.#cursor }, textOf);
  }

  #finish(result: TurnResult): void {
    const { turn, text, decoder, onFinished, isStreamed } = this.#options;
    if (result.finishReason === 'abort') {
      this.#fail(aborted(turn.turnId));
      return;
    }
    let shown = '';
    while (this.#cursor < turn.output.length) shown += text.push(this.#decodeMore());
    shown += text.push(decoder.end());
    const rest = text.end();
    const toolCalls = rest.toolCalls.map((call, index) =>
      call.toolCallId === '' ? { ...call, toolCallId: `${turn.turnId}.${index}` } : call,
    );
    this.close();
    const answer = { text: shown + rest.text, toolCalls, finishReason: result.finishReason };
    if (isStreamed) this.#endStream(result, answer);
    else this.#sendWhole(result, answer);
    // The conversation goes on from all of the answer, also from what was streamed before.
    onFinished(result, { text: text.shown, toolCalls });
  }

  #endStream(result: TurnResult, answer: AnswerEnd & { readonly finishReason: 'stop' | 'length' }): void {
    const { response, form, turn, includeUsage } = this.#options;
    const head = this.#head();
    const pieces = answer.text === '' ? [] : [form.text(answer.text, this.#newLogprobs())];
    const chunks = [...pieces, ...form.end({ ...answer, logprobs: this.#newLogprobs() })];
    if (includeUsage) chunks.push(form.usage(usageOf(result, turn.output.length)));
    const last = chunks.pop() ?? {};
    const events = [...chunks, { ...last, ...resultFacts(this.#options, result) }].map(eventOf).join('');
    response.end(`${head}${events}data: [DONE]\n\n`);
  }

  #sendWhole(result: TurnResult, answer: AnswerEnd & { readonly finishReason: 'stop' | 'length' }): void {
    const { response, form, turn } = this.#options;
    const body = JSON.stringify(
      form.whole({ ...answer, logprobs: this.#newLogprobs(), usage: usageOf(result, turn.output.length) }),
    );
    response.writeHead(200, { 'content-type': 'application/json', ...resultHeaders(this.#options, result) });
    response.end(body);
  }

  #fail(error: DomainError): void {
    this.close();
    this.#options.onFailed(error);
  }
}

/** Pure. */
export const eventOf = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;

const aborted = (turnId: string): DomainError =>
  new DomainError({
    kind: 'unavailable',
    reason: 'TURN_INTERRUPTED',
    message: `the engine gave turn ${turnId} up; send the request again`,
    metadata: { turnId },
  });
