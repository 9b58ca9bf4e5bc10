import { describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import type {
  ChatCompletionMessage,
  ChatCompletionMessageParam,
  ChatCompletionMessageToolCall,
} from 'openai/resources/chat/completions';
import { baseUrl, openAiTools, served, toolOutput } from './served.fixture.js';

const TURNS = 30;
/** Of the simulated engine. */
const BLOCK_TOKENS = 16;

interface Turn {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly program: string | null;
}

/** One request, as the package's users write it: the answer's message, and what it cost. */
const ask = async (
  client: OpenAI,
  messages: ChatCompletionMessageParam[],
): Promise<{ readonly message: ChatCompletionMessage; readonly turn: Turn }> => {
  const { data, response } = await client.chat.completions
    .create({ model: served.model, messages, tools: openAiTools, max_tokens: 80 })
    .withResponse();
  const [choice] = data.choices;
  const { usage } = data;
  if (choice === undefined || usage === undefined) throw new Error('an answer without a choice or usage');
  const turn = {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    outputTokens: usage.completion_tokens,
    program: response.headers.get('x-holdfast-program'),
  };
  return { message: choice.message, turn };
};

const resultOf = (call: ChatCompletionMessageToolCall): ChatCompletionMessageParam => {
  if (call.type !== 'function') throw new Error(`a call of type ${call.type}`);
  const content = toolOutput(call.function.name, JSON.parse(call.function.arguments));
  return { role: 'tool', tool_call_id: call.id, content };
};

/** A coding agent: tasks of the user, each with some tool calls and an answer; the whole conversation with each turn. */
const runAgent = async (client: OpenAI): Promise<Turn[]> => {
  const messages: ChatCompletionMessageParam[] = [{ role: 'system', content: 'You are a coding agent.' }];
  const turns: Turn[] = [];
  let isAnswered = true;
  while (turns.length < TURNS) {
    const task = `Task at turn ${turns.length}: make the tests pass.`;
    if (isAnswered) messages.push({ role: 'user', content: task });
    const { message, turn } = await ask(client, messages);
    turns.push(turn);
    messages.push(message, ...(message.tool_calls ?? []).map(resultOf));
    isAnswered = (message.tool_calls ?? []).length === 0;
  }
  return turns;
};

/** Full blocks of the turn before, its output included: nothing else can be there. */
const cacheable = ({ promptTokens, outputTokens }: Turn): number =>
  Math.floor((promptTokens + outputTokens - 1) / BLOCK_TOKENS) * BLOCK_TOKENS;

describe('a coding agent on the openai package, without a line of Holdfast', () => {
  it(`keeps its KV over ${TURNS} turns: at least 0.9 of what is possible`, async () => {
    const turns = await runAgent(new OpenAI({ baseURL: baseUrl, apiKey: served.apiKey }));
    expect(turns).toHaveLength(TURNS);
    expect(new Set(turns.map(({ program }) => program)).size).toBe(1);
    const possible = turns.slice(0, -1).reduce((sum, turn) => sum + cacheable(turn), 0);
    const cached = turns.reduce((sum, { cachedTokens }) => sum + cachedTokens, 0);
    const prompts = turns.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
    const share = cached / possible;
    console.log(
      `agent of ${TURNS} turns, ${served.callsPerTask} tool calls a task: ${cached} of ${prompts} prompt tokens were cached, ` +
        `${share.toFixed(3)} of the ${possible} that could be`,
    );
    expect(share).toBeGreaterThanOrEqual(0.9);
  });
});
