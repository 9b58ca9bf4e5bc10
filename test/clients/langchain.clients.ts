import { describe, expect, it } from '@jest/globals';
import {
  AIMessageChunk,
  HumanMessage,
  SystemMessage,
  ToolMessage,
  type BaseMessage,
  type UsageMetadata,
} from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { baseUrl, openAiTools, served, toolOutput } from './served.fixture.js';

const model = new ChatOpenAI({
  model: served.model,
  apiKey: served.apiKey,
  maxRetries: 0,
  maxTokens: 120,
  configuration: { baseURL: baseUrl },
});

const question = [new SystemMessage('Be brief.'), new HumanMessage('Say something in a chain.')];

/** The package's own type of it is lost in its generics. */
const usageOf = (message: unknown): UsageMetadata | undefined =>
  (message as { readonly usage_metadata?: UsageMetadata } | undefined)?.usage_metadata;

describe("LangChain's ChatOpenAI", () => {
  it('gets the same text whole and streamed, with usage', async () => {
    const whole = await model.invoke(question);
    let streamed: AIMessageChunk | undefined;
    for await (const chunk of await model.stream(question)) streamed = streamed?.concat(chunk) ?? chunk;
    expect(String(whole.content).length).toBeGreaterThan(10);
    expect(streamed?.content).toBe(whole.content);
    expect(usageOf(whole)?.output_tokens).toBeGreaterThan(0);
    expect(usageOf(streamed)?.total_tokens).toBe(usageOf(whole)?.total_tokens);
  });

  it('calls tools, streamed, until it answers', async () => {
    const agent = model.bindTools([...openAiTools]);
    const messages: BaseMessage[] = [new HumanMessage('Look around in a chain.')];
    let calls = 0;
    for (;;) {
      let answer: AIMessageChunk | undefined;
      for await (const chunk of await agent.stream(messages)) answer = answer?.concat(chunk) ?? chunk;
      if (answer === undefined) throw new Error('an empty stream');
      messages.push(answer);
      const wanted = answer.tool_calls ?? [];
      if (wanted.length === 0) break;
      calls += wanted.length;
      for (const { id = '', name, args } of wanted) {
        messages.push(new ToolMessage({ tool_call_id: id, content: toolOutput(name, args) }));
      }
    }
    expect(calls).toBe(served.callsPerTask);
    expect(messages.at(-1)?.content).toMatch(/^[a-z ]+$/);
  });
});
