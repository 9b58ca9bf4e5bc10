import { AnswerText } from './answer-text.js';
import { completionForm } from './answer-form.js';
import type { AnswerContext, Asked, Question } from './answer-request.js';
import type { CompletionRequest } from './chat-schema.js';
import { answerShape } from './structured-output.js';
import { samplingOf } from './wire-turn.js';

/** As in the OpenAI API. */
const DEFAULT_MAX_TOKENS = 16;

/**
 * `POST /v1/completions` as a turn: of its session's program where the request names one, else of a program that has no
 * other. Needs the tokenizer to be loaded for a prompt of text.
 */
export const completionQuestion = async (
  context: AnswerContext,
  asked: Asked,
  request: CompletionRequest,
): Promise<Question> => {
  const { prompt } = request;
  const ids = typeof prompt === 'string' ? [...(await context.services.text.load()).encode(prompt)] : [...prompt];
  const shape = answerShape({
    responseFormat: request.response_format,
    structuredOutputs: request.structured_outputs,
    tools: [],
    mustCall: false,
    maxCalls: null,
  });
  return {
    model: request.model,
    chain: [],
    inputFor: () => ({ $case: 'prompt', value: { ids } }),
    sampling: samplingOf(request, {
      maxTokens: request.max_tokens ?? DEFAULT_MAX_TOKENS,
      logprobs: request.logprobs,
      form: shape?.form,
    }),
    chunks: [],
    formField: shape?.field ?? null,
    isOnlyTurn: asked.session === null,
    form: completionForm,
    text: new AnswerText({ stop: request.stop, tools: new Set(), maxCalls: 0 }),
    isStreamed: request.stream === true,
    includeUsage: request.stream_options?.include_usage === true,
    onFinished: ({ lane }) => context.index.giveBack(lane, null),
  };
};
