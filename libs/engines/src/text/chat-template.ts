import { DomainError } from '@holdfast/platform';
import type * as jinja from '@huggingface/jinja';
// What the build makes of it, several times as fast: see the tool that writes it.
import * as generated from '../generated/jinja.js';
import { type ChatMessage, toTemplateMessage } from './chat-message.js';

const { Template } = generated as unknown as typeof jinja;

/** What to render. */
export interface RenderOptions {
  /** End with the opening of the assistant's answer. */
  readonly addGenerationPrompt: boolean;
}

/** A chat template: conversation in, prompt text out. */
export interface ChatTemplate {
  /** Pure. `tools` is a list in OpenAI's form; empty for none. Throws FIELD_INVALID when the template refuses. */
  render(messages: readonly ChatMessage[], tools: readonly unknown[], options: RenderOptions): string;
}

/** Compiles the template of a model. Throws FIELD_INVALID for a template with a syntax error. */
export const compileChatTemplate = (source: string, config: Record<string, unknown>): ChatTemplate => {
  const template = compile(source);
  const markers = Object.fromEntries(markerNames.map((name) => [name, tokenText(config[name])]));
  return {
    render: (messages, tools, { addGenerationPrompt }) => {
      const conversation = messages.map(toTemplateMessage);
      const values = { messages: conversation, tools: tools.length === 0 ? null : tools, ...markers };
      try {
        return template.render({ ...values, add_generation_prompt: addGenerationPrompt });
      } catch (error) {
        throw invalid(`the chat template refuses the messages: ${(error as Error).message}`, error);
      }
    },
  };
};

const compile = (source: string): jinja.Template => {
  try {
    return new Template(source);
  } catch (error) {
    throw invalid(`the chat template has an error: ${(error as Error).message}`, error);
  }
};

const markerNames = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const;

/** A token is written as its text, or as an object with its text. */
const tokenText = (value: unknown): string => {
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : undefined;
  return typeof content === 'string' ? content : '';
};

const invalid = (message: string, cause: unknown): DomainError =>
  new DomainError({ kind: 'invalid', reason: 'FIELD_INVALID', message, cause });
