/**
 * Text in, tokens out, and back, with the tokenizer and the chat template of the pool's own model.
 *
 * Messages that continue a conversation become exactly the tokens that the template adds after the tokens so far: the
 * model's own output is never encoded anew, so the cached prefix holds.
 */
import {
  loadTextCodec,
  parseToolCalls,
  promptMark,
  type ChatMessage,
  type EngineClient,
  type TextCodec,
} from '@holdfast/engines';
import type { program as wire } from '@holdfast/contracts';
import type { JsonValue } from '@holdfast/persistence';
import { randomUUID } from 'node:crypto';
import type { LiveTurn, TurnResult } from '../turns/live-turn.js';
import type { TextDecoder } from '../turns/turn-relay.js';
import type { LiveProgram } from './live-program.js';
import { noEngineYet } from './program-errors.js';
import { conversationOf, textInputToJson, type TextInput } from './text-turn.js';

/** Text input as tokens. */
export interface EncodedInput {
  /** Tokens after the context, or the whole prompt. */
  readonly ids: Uint32Array;
  /** The prompt begins with the whole context. */
  readonly extends: boolean;
  /** For the turn's row. */
  readonly messages: JsonValue;
}

/** Text input as tokens, with a place between them. */
export interface SplitInput {
  readonly headIds: Uint32Array;
  readonly tailIds: Uint32Array;
  /** For the turn's row. */
  readonly messages: JsonValue;
}

interface NotedInput {
  readonly known: readonly ChatMessage[];
  readonly continued: TextInput;
  readonly tools: readonly unknown[];
  readonly messages: JsonValue;
}

/** The answer of a text turn. */
export interface TextOutput {
  /** As the model wrote it, tool calls included. */
  readonly text: string;
  readonly toolCalls: TurnResult['toolCalls'];
}

type TextCase = Extract<NonNullable<wire.RunTurnRequest['input']>, { $case: 'appendMessages' | 'conversation' }>;

/** See the file header. */
export class TextService {
  readonly #anyClient: () => EngineClient | undefined;
  readonly #inputs = new WeakMap<LiveTurn, TextInput>();
  #codec: TextCodec | null = null;
  #loading: Promise<TextCodec> | null = null;

  constructor(options: { readonly anyClient: () => EngineClient | undefined }) {
    this.#anyClient = options.anyClient;
  }

  /**
   * Fetches the tokenizer from an engine, once.
   *
   * @throws DomainError ENGINE_UNREACHABLE; FIELD_INVALID when the engine's tokenizer cannot be read.
   */
  async load(): Promise<TextCodec> {
    if (this.#codec !== null) return this.#codec;
    this.#loading ??= this.#fetch();
    try {
      this.#codec = await this.#loading;
      return this.#codec;
    } finally {
      this.#loading = null;
    }
  }

  /** Modifies the turn's notes. Needs the codec to be loaded and the program's context to be in memory. */
  encode(program: LiveProgram, turn: LiveTurn, input: TextCase): EncodedInput {
    const { known, continued, messages, tools } = this.#note(program, turn, input);
    const codec = this.#required();
    if (continued.isWhole) {
      const text = codec.renderMessages(continued.messages, tools, { addGenerationPrompt: true });
      this.#inputs.set(turn, { ...continued, mark: promptMark(text) });
      return { ids: codec.encode(text), extends: false, messages };
    }
    const previousPrompt = program.textTurns.at(-1)?.mark;
    const appended = codec.appendMessages({
      previousIds: program.context?.view() ?? new Uint32Array(),
      previousMessages: known,
      newMessages: continued.messages,
      tools,
      ...(previousPrompt === undefined ? {} : { previousPrompt }),
    });
    this.#inputs.set(turn, { ...continued, mark: appended.mark });
    return { ids: appended.ids, extends: appended.extends, messages };
  }

  /**
   * Modifies the turn's notes. The whole conversation as tokens, with a place for chunks behind its system message, or
   * before the first message when there is none. `encodeChunk` is for their texts.
   */
  encodeAround(program: LiveProgram, turn: LiveTurn, input: TextCase): SplitInput {
    const { known, continued, messages, tools } = this.#note(program, turn, input);
    const whole = continued.isWhole ? continued.messages : [...known, ...continued.messages];
    const [first, ...others] = whole;
    // A text that no message holds, since nobody knows it beforehand.
    const place = randomUUID();
    const content = first?.role === 'system' ? `${first.content}\n\n${place}` : `${place}${first?.content ?? ''}`;
    const codec = this.#required();
    const marked = first === undefined ? [] : [{ ...first, content }, ...others];
    const [before = '', behind = ''] = codec.renderMessages(marked, tools, { addGenerationPrompt: true }).split(place);
    return { headIds: codec.encode(before), tailIds: codec.encode(behind), messages };
  }

  /** Pure. The tokens of a chunk's text. */
  encodeChunk(text: string): Uint32Array {
    return this.#required().encode(text);
  }

  /** Pure. The text of a token by itself: U+FFFD for a part of a character, empty for a marker. */
  tokenText(tokenId: number): string {
    return this.#required().decode([tokenId]);
  }

  /** The answer of a text turn so far; null for a turn of token ids. */
  readOutput(turn: LiveTurn): TextOutput | null {
    if (!turn.isText) return null;
    const text = this.#required().decode(turn.output.view());
    const toolCalls = parseToolCalls(text).toolCalls.map((call, index) => ({
      ...call,
      // The answer to a call has to name it.
      toolCallId: call.toolCallId === '' ? `${turn.turnId}.${index}` : call.toolCallId,
    }));
    return { text, toolCalls };
  }

  /** Modifies the program: what was said and answered belongs to its conversation now. */
  remember(program: LiveProgram, turn: LiveTurn, output: TextOutput): void {
    const input = this.#inputs.get(turn);
    if (input === undefined) return;
    if (input.isWhole) program.textTurns = [];
    program.textTurns.push({ ...input, answerText: output.text });
  }

  /** A decoder for one caller's stream. */
  decoder(): TextDecoder {
    let stream: ReturnType<TextCodec['decodeStream']> | null = null;
    // Made at the first token: the codec is there by then, not always before.
    const opened = (): NonNullable<typeof stream> => (stream ??= this.#required().decodeStream());
    return { push: (ids) => opened().push([...ids]), end: () => opened().flush() };
  }

  /** What was said before and what is said now, noted for `remember`. */
  #note(program: LiveProgram, turn: LiveTurn, input: TextCase): NotedInput {
    const known = conversationOf(program.textTurns);
    const said = textInput(input, program);
    const areToolsKept = said.toolsJson === (program.textTurns.at(-1)?.toolsJson ?? '');
    const continued = said.isWhole && areToolsKept ? continuationOf(said, known) : said;
    this.#inputs.set(turn, continued);
    const tools = continued.toolsJson === '' ? [] : (JSON.parse(continued.toolsJson) as unknown[]);
    return { known, continued, tools, messages: textInputToJson(said) };
  }

  async #fetch(): Promise<TextCodec> {
    const client = this.#anyClient();
    if (client === undefined) throw noEngineYet();
    return loadTextCodec(await client.tokenizerArchive());
  }

  #required(): TextCodec {
    if (this.#codec === null) throw new Error('text was used before the tokenizer was loaded');
    return this.#codec;
  }
}

const textInput = (input: TextCase, program: LiveProgram): TextInput => ({
  isWhole: input.$case === 'conversation',
  messages: input.value.messages.map(toChatMessage),
  // Tools stay what they were until the caller names others.
  toolsJson: input.value.toolsJson === '' ? (program.textTurns.at(-1)?.toolsJson ?? '') : input.value.toolsJson,
});

const toChatMessage = (message: wire.Message): ChatMessage => ({
  role: message.role as ChatMessage['role'],
  content: message.content,
  ...(message.toolCalls.length === 0 ? {} : { toolCalls: message.toolCalls }),
  ...(message.toolCallId === '' ? {} : { toolCallId: message.toolCallId }),
});

/** A whole conversation that begins with what is known only adds its rest. */
const continuationOf = (said: TextInput, known: readonly ChatMessage[]): TextInput => {
  const isContinued =
    known.length > 0 &&
    said.messages.length > known.length &&
    known.every((message, index) => isSame(message, said.messages[index]));
  return isContinued ? { ...said, isWhole: false, messages: said.messages.slice(known.length) } : said;
};

/** An answer comes back as it was written, or with its tool calls taken out of the text. */
const isSame = (known: ChatMessage, said: ChatMessage | undefined): boolean => {
  if (said?.role !== known.role) return false;
  if (said.content === known.content) return true;
  return known.role === 'assistant' && said.content === parseToolCalls(known.content).text;
};
