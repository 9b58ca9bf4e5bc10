/** Requests of the OpenAI form as RunTurn requests. */
import type { program as wire } from '@holdfast/contracts';
import type { ChatRequest, CommonRequest } from './chat-schema.js';
import { given } from '../programs/turn-sampling.js';

/** Pure. */
export const wireMessages = (messages: ChatRequest['messages']): wire.Message[] =>
  messages.map((message) => ({
    role: message.role === 'developer' ? 'system' : message.role,
    content: textOf(message.content),
    toolCalls:
      message.role === 'assistant'
        ? (message.tool_calls ?? []).map((call) => ({
            toolCallId: call.id,
            tool: call.function.name,
            argumentsJson: call.function.arguments,
          }))
        : [],
    toolCallId: message.role === 'tool' ? message.tool_call_id : '',
  }));

const textOf = (content: ChatRequest['messages'][number]['content']): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text).join('');

/**
 * Pure. Tools the model may call, as a JSON array; an empty one says that there are none. The same tools are the same text, in
 * whatever order their members came: another text would be another prompt.
 */
export const toolsJsonOf = ({ tools, tool_choice: choice }: ChatRequest): string =>
  choice === 'none' ? '[]' : JSON.stringify((tools ?? []).map(inOrder));

type Tool = NonNullable<ChatRequest['tools']>[number];

const inOrder = ({ type, function: { name, parameters, ...rest } }: Tool): Tool => ({
  type,
  function: { name, ...(parameters === undefined ? {} : { parameters }), ...rest },
});

/** Pure. */
export const samplingOf = (
  request: CommonRequest,
  more: {
    readonly maxTokens: number | null | undefined;
    readonly logprobs: number | null | undefined;
    readonly form: wire.Sampling['structuredOutput'];
  },
): wire.Sampling => ({
  ignoreEos: request.ignore_eos ?? false,
  stop: request.stop,
  stopTokenIds: request.stop_token_ids ?? [],
  logitBias: Object.entries(request.logit_bias ?? {}).map(([id, bias]) => ({ tokenId: Number(id), bias })),
  structuredOutput: more.form,
  ...given('maxTokens', more.maxTokens),
  ...given('logprobs', more.logprobs),
  ...given('minTokens', request.min_tokens),
  ...given('temperature', request.temperature),
  ...given('topP', request.top_p),
  ...given('topK', request.top_k),
  ...given('seed', request.seed),
  ...given('presencePenalty', request.presence_penalty),
  ...given('frequencyPenalty', request.frequency_penalty),
  ...given('repetitionPenalty', request.repetition_penalty),
  ...given('minP', request.min_p),
});
