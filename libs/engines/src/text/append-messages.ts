/**
 * The next prompt of a conversation, as an exact extension of the tokens so far. Rendering everything and encoding it
 * anew would not do: the model's own tokens need not be those that its text encodes to, and one different token breaks
 * the cached prefix. So the template is rendered without and with the new messages, and only the difference is encoded.
 */
import { hash } from 'node:crypto';
import type { ChatMessage } from './chat-message.js';
import type { ChatTemplate } from './chat-template.js';

/** A rendered prompt, to be known again at the beginning of a longer one without being kept. */
export interface PromptMark {
  readonly characters: number;
  /** SHA-256, in hex. */
  readonly digest: string;
}

/** Pure. */
export const promptMark = (text: string): PromptMark => ({ characters: text.length, digest: hash('sha256', text) });

/** What is there and what comes on top. */
export interface AppendOptions {
  /** Tokens so far: the last prompt and the answer to it, end marker included where the model wrote one. */
  readonly previousIds: Uint32Array;
  /** The messages of those tokens, the answer included. */
  readonly previousMessages: readonly ChatMessage[];
  readonly newMessages: readonly ChatMessage[];
  /** The rendered prompt that the last of the previous messages answers: spares rendering them two more times. */
  readonly previousPrompt?: PromptMark;
  /** Tools in OpenAI's form. */
  readonly tools?: readonly unknown[];
}

/** The next prompt. */
export interface AppendedPrompt {
  /**
   * True: the prompt begins with all of the previous tokens. False: the template rewrites earlier messages, so that
   * everything was encoded anew (a compaction).
   */
  readonly extends: boolean;
  /** What follows the previous tokens where it extends them, else the whole prompt. */
  readonly ids: Uint32Array;
  /** The `previousPrompt` of the turn after. */
  readonly mark: PromptMark;
}

/** What the text codec brings in. */
export interface AppendContext {
  readonly template: ChatTemplate;
  readonly encode: (text: string) => Uint32Array;
  /** The text of tokens, markers included. */
  readonly markedText: (tokenIds: Uint32Array) => string;
}

/** Pure. */
export const appendMessages = (options: AppendOptions, context: AppendContext): AppendedPrompt => {
  const { previousMessages, newMessages, tools = [] } = options;
  const all = [...previousMessages, ...newMessages];
  const whole = context.template.render(all, tools, { addGenerationPrompt: true });
  const mark = promptMark(whole);
  const added = addedText(options, context, whole);
  return { extends: added !== undefined, ids: context.encode(added ?? whole), mark };
};

/** The text after the previous tokens; undefined when the template does not extend. */
const addedText = (options: AppendOptions, context: AppendContext, whole: string): string | undefined => {
  const { previousIds, previousMessages, tools = [] } = options;
  const answer = previousMessages.at(-1);
  if (answer?.role !== 'assistant') {
    const soFar = context.markedText(previousIds);
    return whole.startsWith(soFar) ? whole.slice(soFar.length) : undefined;
  }
  // The model wrote its end marker itself, as a rule: then only what follows the marker is missing.
  const lastText = context.markedText(previousIds.slice(-1));
  const behind = textBehind(options, answer, whole);
  if (behind !== undefined) return without(behind, lastText);
  const previous = context.template.render(previousMessages, tools, { addGenerationPrompt: false });
  if (!whole.startsWith(previous)) return undefined;
  const closing = closingText(options, context);
  if (closing === undefined || !previous.endsWith(closing)) return undefined;
  return without(closing, lastText) + whole.slice(previous.length);
};

const without = (text: string, start: string): string => (text.startsWith(start) ? text.slice(start.length) : text);

/** What the template writes behind the answer, where it writes prompt and answer as they were; undefined elsewhere. */
const textBehind = ({ previousPrompt }: AppendOptions, answer: ChatMessage, whole: string): string | undefined => {
  if (previousPrompt === undefined || (answer.toolCalls ?? []).length > 0) return undefined;
  const { characters, digest } = previousPrompt;
  const isKnown = hash('sha256', whole.slice(0, characters)) === digest && whole.startsWith(answer.content, characters);
  return isKnown ? whole.slice(characters + answer.content.length) : undefined;
};

const PROBE = 'holdfast-probe-7q';

/** What the template writes after the content of an assistant's message, found by rendering a known content. */
const closingText = (
  { previousMessages, tools = [] }: AppendOptions,
  { template }: AppendContext,
): string | undefined => {
  const probe: ChatMessage = { role: 'assistant', content: PROBE };
  const text = template.render([...previousMessages.slice(0, -1), probe], tools, { addGenerationPrompt: false });
  const at = text.lastIndexOf(PROBE);
  return at === -1 ? undefined : text.slice(at + PROBE.length);
};
