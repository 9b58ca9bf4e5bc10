import { AnswerText } from './answer-text.js';
import { chatForm } from './answer-form.js';
import type { AnswerContext, Asked, FinishedAnswer, Question } from './answer-request.js';
import type { ChatRequest } from './chat-schema.js';
import type { LaneClaim } from './claim-lane.js';
import { beginInferred } from './inferred-tool-calls.js';
import { chainOf, chainStart } from './message-chain.js';
import { answerShape, type AnswerShape, type CallableTool } from './structured-output.js';
import { wireChunks } from './request-chunks.js';
import { samplingOf, toolsJsonOf, wireMessages } from './wire-turn.js';

/** `POST /v1/chat/completions` as a turn. Pure but for what the question does when it is answered. */
export const chatQuestion = (context: AnswerContext, asked: Asked, request: ChatRequest): Question => {
  const messages = wireMessages(request.messages);
  const toolsJson = toolsJsonOf(request);
  const { tenantId, session } = asked;
  const start = chainStart(session === null ? [tenantId] : [tenantId, session.source, session.value]);
  const chain = chainOf(start, messages);
  const tools = callableTools(request);
  const shape = shapeOf(request, tools);
  return {
    model: request.model,
    chain,
    inputFor: ({ lane, knownMessages }) =>
      knownMessages > 0 && lane.toolsJson === toolsJson
        ? { $case: 'appendMessages', value: { messages: messages.slice(knownMessages), toolsJson } }
        : { $case: 'conversation', value: { messages, toolsJson } },
    sampling: samplingOf(request, {
      maxTokens: request.max_completion_tokens ?? request.max_tokens,
      logprobs: request.logprobs === true ? (request.top_logprobs ?? 0) : undefined,
      form: shape?.form,
    }),
    chunks: wireChunks(request.holdfast),
    formField: shape?.field ?? null,
    isOnlyTurn: false,
    form: chatForm,
    text: new AnswerText({
      stop: request.stop,
      tools: new Set(tools.map(({ name }) => name)),
      maxCalls: request.parallel_tool_calls === false ? 1 : Infinity,
    }),
    isStreamed: request.stream === true,
    includeUsage: request.stream_options?.include_usage === true,
    onFinished: ({ lane }: LaneClaim, { turn, result, end }: FinishedAnswer) => {
      lane.toolsJson = toolsJson;
      const answer = { role: 'assistant', content: end.text, toolCalls: [...end.toolCalls], toolCallId: '' };
      context.index.giveBack(lane, chainOf(chain.at(-1) ?? start, [answer])[0] ?? null);
      beginInferred(context, lane, { turn, result });
    },
  };
};

/** Pure. Those that the answer may call: all, none, or the one that it has to. */
const callableTools = ({ tools, tool_choice: choice }: ChatRequest): readonly CallableTool[] =>
  choice === 'none'
    ? []
    : (tools ?? [])
        .map(({ function: { name, parameters } }) => ({ name, ...(parameters ? { parameters } : {}) }))
        .filter(({ name }) => typeof choice !== 'object' || choice === null || name === choice.function.name);

const shapeOf = (request: ChatRequest, tools: readonly CallableTool[]): AnswerShape | null => {
  const { tool_choice: choice } = request;
  const isNamed = typeof choice === 'object' && choice !== null;
  return answerShape({
    responseFormat: request.response_format,
    structuredOutputs: request.structured_outputs,
    tools,
    mustCall: isNamed || choice === 'required',
    maxCalls: isNamed || request.parallel_tool_calls === false ? 1 : null,
  });
};
