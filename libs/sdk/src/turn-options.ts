import { program as wire } from '@holdfast/contracts';
import { invalidArgument } from './errors.js';

/** Token ids of the program's model, in order. */
export type TokenIds = readonly number[] | Uint32Array;

/** A tool call as the model wrote it. */
export interface ToolCall {
  /** Id that the answering message names. */
  readonly toolCallId: string;
  readonly tool: string;
  /** A JSON object as text; models write malformed ones, so parse it with care. */
  readonly argumentsJson: string;
}

/** One message of a conversation. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** Tool calls of an assistant message. */
  readonly toolCalls?: readonly ToolCall[];
  /** For role `tool`: the call it answers. */
  readonly toolCallId?: string;
}

/** What a turn starts from: exactly one of four. */
export type TurnInput =
  TextInput<'messages'> | TextInput<'appendMessages'> | IdsInput<'promptIds'> | IdsInput<'appendIds'>;

type InputName = 'messages' | 'appendMessages' | 'promptIds' | 'appendIds';

type Without<Names extends string> = { readonly [Name in Names]?: never };

/** A retrieved passage. Its KV is reused wherever an engine holds it. */
export interface Chunk {
  /** Names it for people, 1 to 256 characters. */
  readonly id: string;
  readonly text: string;
  /** Where it is from, such as a document or an index, 1 to 256 characters: what is invalidated together. */
  readonly source: string;
  /** KV of one version of a source is never used for another. Default: none. */
  readonly sourceVersion?: string;
}

/** `messages`: the whole conversation. `appendMessages`: what follows the conversation so far. */
type TextInput<Name extends 'messages' | 'appendMessages'> = { readonly [_ in Name]: readonly Message[] } & {
  /** Tools that the model may call, in OpenAI's form: `{ type: 'function', function: { name, ... } }`. */
  readonly tools?: readonly object[];
  /** Passages of this turn, at most 256; they stand before the conversation, after its system message. */
  readonly chunks?: readonly Chunk[];
} & Without<Exclude<InputName, Name>>;

/** `promptIds`: the whole prompt. `appendIds`: what follows the last prompt and its output. */
type IdsInput<Name extends 'promptIds' | 'appendIds'> = { readonly [_ in Name]: TokenIds } & Without<
  Exclude<InputName, Name> | 'tools' | 'chunks'
>;

/** How to generate. What is unset takes the engine's defaults. */
export interface Sampling {
  /** Output tokens at most. */
  readonly maxTokens?: number;
  /** Output tokens at least. */
  readonly minTokens?: number;
  /** Go on after an end-of-sequence token, so that exactly `maxTokens` come. */
  readonly ignoreEos?: boolean;
  /** 0 to 2. */
  readonly temperature?: number;
  /** Above 0 to 1. */
  readonly topP?: number;
  /** 0 means all. */
  readonly topK?: number;
  readonly seed?: number;
  /** Strings that end the output. */
  readonly stop?: readonly string[];
  /** Token ids that end the output, at most 16. */
  readonly stopTokenIds?: readonly number[];
  /** Against tokens that the output has already, -2 to 2. */
  readonly presencePenalty?: number;
  /** The same, as often as the output has them, -2 to 2. */
  readonly frequencyPenalty?: number;
  /** Divides the logits of tokens that prompt or output have, above 0 to 10; 1 changes nothing. */
  readonly repetitionPenalty?: number;
  /** Least probability of a candidate as a share of the likeliest one's, 0 to 1. */
  readonly minP?: number;
  /** Added to the logits of tokens, -100 to 100, by token id; at most 1,024 of them. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** Log probabilities of the output tokens, each with so many of the likeliest candidates, 0 to 20. Default: none. */
  readonly logprobs?: number;
  /** A form that the output has to have. Refused with ENGINE_CAPABILITY_MISSING where the engine has no grammars. */
  readonly structuredOutput?: StructuredOutput;
}

/** What a grammar in the engine holds the output to: one of a JSON schema, any JSON object, a pattern, EBNF, texts. */
export type StructuredOutput =
  | { readonly jsonSchema: object }
  | { readonly jsonObject: true }
  /** A regular expression that the whole output matches. */
  | { readonly regex: string }
  /** EBNF with the start symbol `root`. */
  | { readonly grammar: string }
  /** One of these texts. */
  | { readonly choice: readonly string[] };

/** One turn. */
export type TurnOptions = TurnInput &
  Sampling & {
    /** The program will not run another turn: nothing is kept after it. */
    readonly last?: boolean;
    /** Cancels the turn, on the engine too. */
    readonly signal?: AbortSignal;
    /** Total time in milliseconds, queue wait and retries included. Default: `timeouts.turnMs`. */
    readonly timeoutMs?: number;
    /** Idempotency key within the program, 1 to 128 characters. Default: a random one. */
    readonly requestId?: string;
  };

/**
 * Pure. The request of a turn.
 *
 * @throws HoldfastError INVALID_ARGUMENT when not exactly one input is given.
 */
export function turnRequest(programId: string, requestId: string, options: TurnOptions): wire.RunTurnRequest {
  return {
    requestId,
    programId,
    input: inputOf(options),
    sampling: samplingOf(options),
    last: options.last ?? false,
    chunks: (options.chunks ?? []).map(({ id, text, source, sourceVersion = '' }) => ({
      id,
      text,
      source,
      sourceVersion,
    })),
  };
}

const inputOf = (options: TurnOptions): NonNullable<wire.RunTurnRequest['input']> => {
  const { messages, appendMessages, promptIds, appendIds, tools } = options;
  const given = Object.entries({ messages, appendMessages, promptIds, appendIds }).filter(([, value]) => value);
  if (given.length !== 1) {
    const names = given.map(([name]) => name).join(' and ') || 'no input';
    throw invalidArgument('turn', `has ${names}; allowed: one of messages, appendMessages, promptIds, appendIds`);
  }
  if (messages) return { $case: 'conversation', value: conversation(messages, tools) };
  if (appendMessages) return { $case: 'appendMessages', value: conversation(appendMessages, tools) };
  if (promptIds) return { $case: 'prompt', value: { ids: Array.from(promptIds) } };
  return { $case: 'append', value: { ids: Array.from(appendIds ?? []) } };
};

const conversation = (messages: readonly Message[], tools: readonly object[] = []): wire.Conversation => ({
  messages: messages.map(({ role, content, toolCalls = [], toolCallId = '' }) => ({
    role,
    content,
    toolCalls: toolCalls.map((call) => ({ ...call })),
    toolCallId,
  })),
  toolsJson: tools.length === 0 ? '' : JSON.stringify(tools),
});

const samplingOf = (options: Sampling): wire.Sampling => ({
  maxTokens: options.maxTokens,
  minTokens: options.minTokens,
  ignoreEos: options.ignoreEos ?? false,
  temperature: options.temperature,
  topP: options.topP,
  topK: options.topK,
  seed: options.seed,
  stop: [...(options.stop ?? [])],
  stopTokenIds: [...(options.stopTokenIds ?? [])],
  presencePenalty: options.presencePenalty,
  frequencyPenalty: options.frequencyPenalty,
  repetitionPenalty: options.repetitionPenalty,
  minP: options.minP,
  logitBias: [...(options.logitBias ?? [])].map(([tokenId, bias]) => ({ tokenId, bias })),
  logprobs: options.logprobs,
  structuredOutput: structuredOutputOf(options.structuredOutput),
});

const structuredOutputOf = (output: StructuredOutput | undefined): wire.Sampling['structuredOutput'] => {
  if (output === undefined) return undefined;
  if ('jsonSchema' in output) return { $case: 'jsonSchema', value: JSON.stringify(output.jsonSchema) };
  if ('jsonObject' in output) return { $case: 'jsonObject', value: output.jsonObject };
  if ('regex' in output) return { $case: 'regex', value: output.regex };
  if ('grammar' in output) return { $case: 'grammar', value: output.grammar };
  return { $case: 'choice', value: { choices: [...output.choice] } };
};
