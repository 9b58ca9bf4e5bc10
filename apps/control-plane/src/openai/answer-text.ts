/**
 * What a client sees of an answer, piece by piece: nothing from a stop string on, and tool calls not as text. What may
 * yet become one of these is held back until it is clear.
 */
import { parseToolCalls } from '@holdfast/engines';
import type { TurnResult } from '../turns/live-turn.js';

/** What the request says about its answer. */
export interface AnswerTextOptions {
  readonly stop: readonly string[];
  /** Names of the tools that may be called; empty for none. */
  readonly tools: ReadonlySet<string>;
  /** Calls that the client takes at most; what the model wrote beyond them is dropped. */
  readonly maxCalls: number;
}

/** The end of an answer. */
export interface AnswerEnd {
  /** Text that was not shown yet. */
  readonly text: string;
  /** Without ids where the model gave none. */
  readonly toolCalls: TurnResult['toolCalls'];
}

const CALL_MARKERS = ['<tool_call>', '```'] as const;

/** See the file header. Owns state: one answer. */
export class AnswerText {
  readonly #stop: readonly string[];
  readonly #tools: ReadonlySet<string>;
  readonly #marks: readonly string[];
  readonly #maxCalls: number;
  #shown = '';
  #held = '';
  #isCut = false;
  #mayBeCall = false;

  constructor({ stop, tools, maxCalls }: AnswerTextOptions) {
    this.#maxCalls = maxCalls;
    this.#stop = stop;
    this.#tools = tools;
    this.#marks = tools.size > 0 ? [...stop, ...CALL_MARKERS] : stop;
  }

  /** All text given out so far. */
  get shown(): string {
    return this.#shown;
  }

  /** Modifies state. Takes new text and returns what the client may see of it now. */
  push(text: string): string {
    if (this.#isCut || text === '') return '';
    this.#held += text;
    this.#cutAtStop();
    if (this.#mayBeCall) return '';
    if (this.#tools.size === 0) return this.#show(this.#held.length - this.#openMark());
    // JSON as the whole answer may be a call; white space before it decides nothing.
    const start = this.#shown === '' ? this.#held.trimStart()[0] : 'x';
    if (start === undefined) return '';
    const at = start === '{' || start === '[' ? 0 : firstOf(this.#held, CALL_MARKERS);
    this.#mayBeCall = at !== -1;
    return this.#show(this.#mayBeCall ? at : this.#held.length - this.#openMark());
  }

  /** Modifies state. */
  end(): AnswerEnd {
    const parsed = this.#tools.size === 0 ? null : parseToolCalls(this.#held);
    const areCalls =
      parsed !== null && parsed.toolCalls.length > 0 && parsed.toolCalls.every(({ tool }) => this.#tools.has(tool));
    if (areCalls) this.#held = parsed.text;
    const text = this.#show(this.#held.length);
    return { text, toolCalls: areCalls ? parsed.toolCalls.slice(0, this.#maxCalls) : [] };
  }

  #cutAtStop(): void {
    const at = firstOf(this.#held, this.#stop);
    if (at === -1) return;
    this.#held = this.#held.slice(0, at);
    this.#isCut = true;
  }

  /** Characters at the end that begin a mark. */
  #openMark(): number {
    if (this.#isCut) return 0;
    let longest = 0;
    for (const mark of this.#marks) {
      for (let length = Math.min(mark.length - 1, this.#held.length); length > longest; length -= 1) {
        if (this.#held.endsWith(mark.slice(0, length))) longest = length;
      }
    }
    return longest;
  }

  #show(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    this.#shown += text;
    return text;
  }
}

const firstOf = (text: string, marks: readonly string[]): number => {
  const places = marks.map((mark) => text.indexOf(mark)).filter((at) => at !== -1);
  return places.length === 0 ? -1 : Math.min(...places);
};
