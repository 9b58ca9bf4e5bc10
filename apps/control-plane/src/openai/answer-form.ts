/** Answers in the two forms of the OpenAI API: chat completions and completions, whole or as chunks. */
import { chatLogprobs, completionLogprobs, type ShownLogprob } from './answer-logprobs.js';
import type { TurnResult } from '../turns/live-turn.js';

/** Tokens of a turn, as the API counts them. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

/** A whole answer. */
export interface WholeAnswer {
  readonly text: string;
  readonly toolCalls: TurnResult['toolCalls'];
  readonly finishReason: 'stop' | 'length';
  readonly usage: Usage;
  /** Of all its tokens; null when nobody asked for them. */
  readonly logprobs: readonly ShownLogprob[] | null;
}

/** The body of answers of one form. */
export interface AnswerForm {
  readonly whole: (answer: WholeAnswer) => object;
  /** The first chunk; null where the form has none. */
  readonly head: () => object | null;
  /** With the log probabilities of the tokens since the piece before. */
  readonly text: (text: string, logprobs: WholeAnswer['logprobs']) => object;
  /** With those of the tokens that no piece of text came with. */
  readonly end: (end: Pick<WholeAnswer, 'toolCalls' | 'finishReason' | 'logprobs'>) => readonly object[];
  readonly usage: (usage: Usage) => object;
}

/** What all chunks of an answer have in common. */
export interface AnswerIdentity {
  readonly id: string;
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
}

/** Pure. `POST /v1/chat/completions`. */
export const chatForm = ({ id, model, created }: AnswerIdentity): AnswerForm => {
  const common = (object: string): object => ({ id: `chatcmpl-${id}`, object, created, model });
  const chunk = (delta: object, end: Partial<ChunkEnd> = {}): object => ({
    ...common('chat.completion.chunk'),
    choices: [
      { index: 0, delta, logprobs: chatLogprobs(end.logprobs ?? null), finish_reason: end.finishReason ?? null },
    ],
  });
  return {
    whole: ({ text, toolCalls, finishReason, usage, logprobs }) => {
      const calls = toolCalls.length === 0 ? {} : { tool_calls: toolCalls.map(toolCall) };
      const content = text === '' && toolCalls.length > 0 ? null : text;
      const message = { role: 'assistant', content, refusal: null, ...calls };
      const choice = {
        index: 0,
        message,
        logprobs: chatLogprobs(logprobs),
        finish_reason: finishOf(toolCalls, finishReason),
      };
      return { ...common('chat.completion'), choices: [choice], usage };
    },
    head: () => chunk({ role: 'assistant', content: '' }),
    text: (content, logprobs) => chunk({ content }, { logprobs }),
    end: ({ toolCalls, finishReason, logprobs }) => [
      ...toolCalls.map((call, index) => chunk({ tool_calls: [{ index, ...toolCall(call) }] })),
      chunk({}, { finishReason: finishOf(toolCalls, finishReason), logprobs: rest(logprobs) }),
    ],
    usage: (usage) => ({ ...common('chat.completion.chunk'), choices: [], usage }),
  };
};

/** Pure. `POST /v1/completions`. */
export const completionForm = ({ id, model, created }: AnswerIdentity): AnswerForm => {
  const body = (choices: readonly object[]): object => ({
    id: `cmpl-${id}`,
    object: 'text_completion',
    created,
    model,
    choices,
  });
  const logprobsOf = completionLogprobs();
  const choice = (text: string, { finishReason, logprobs }: ChunkEnd): object => ({
    index: 0,
    text,
    logprobs: logprobsOf(logprobs),
    finish_reason: finishReason,
  });
  return {
    whole: ({ text, finishReason, usage, logprobs }) => ({
      ...body([choice(text, { finishReason, logprobs })]),
      usage,
    }),
    head: () => null,
    text: (text, logprobs) => body([choice(text, { finishReason: null, logprobs })]),
    end: ({ finishReason, logprobs }) => [body([choice('', { finishReason, logprobs: rest(logprobs) })])],
    usage: (usage) => ({ ...body([]), usage }),
  };
};

interface ChunkEnd {
  readonly finishReason: string | null;
  readonly logprobs: WholeAnswer['logprobs'];
}

/** None are left most times, and clients read an empty list as tokens. */
const rest = (logprobs: WholeAnswer['logprobs']): WholeAnswer['logprobs'] =>
  logprobs === null || logprobs.length === 0 ? null : logprobs;

/** Pure. */
export const usageOf = (result: TurnResult, outputTokens: number): Usage => ({
  prompt_tokens: result.promptTokens,
  completion_tokens: outputTokens,
  total_tokens: result.promptTokens + outputTokens,
  prompt_tokens_details: { cached_tokens: result.cachedTokens },
});

const finishOf = (toolCalls: WholeAnswer['toolCalls'], finishReason: string): string =>
  toolCalls.length === 0 ? finishReason : 'tool_calls';

const toolCall = (call: WholeAnswer['toolCalls'][number]): object => ({
  id: call.toolCallId,
  type: 'function',
  function: { name: call.tool, arguments: call.argumentsJson },
});
