import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { describe, expect, it } from '@jest/globals';
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool, type ToolSet } from 'ai';
import { baseUrl, served, toolOutput, toolSchemas } from './served.fixture.js';

const provider = createOpenAICompatible({
  name: 'holdfast',
  baseURL: baseUrl,
  apiKey: served.apiKey,
  includeUsage: true,
});
const model = provider(served.model);

const tools: ToolSet = Object.fromEntries(
  Object.entries(toolSchemas).map(([name, { description, parameters }]) => [
    name,
    tool({
      description,
      inputSchema: jsonSchema<object>(structuredClone(parameters) as object),
      execute: async (input: object) => toolOutput(name, input),
    }),
  ]),
);

describe('the Vercel AI SDK', () => {
  it('gets the same text whole and streamed, with usage', async () => {
    const request = { model, prompt: 'Say something to an SDK.', maxOutputTokens: 60, maxRetries: 0 };
    const whole = await generateText(request);
    const stream = streamText(request);
    let text = '';
    for await (const piece of stream.textStream) text += piece;
    expect(text.length).toBeGreaterThan(10);
    expect(text).toBe(whole.text);
    expect((await stream.usage).outputTokens).toBe(whole.usage.outputTokens);
  });

  it.each(['streamed', 'whole'])('calls tools, %s, until it answers', async (how) => {
    const request = {
      model,
      tools,
      prompt: `Look around with an SDK, ${how}.`,
      stopWhen: stepCountIs(10),
      maxRetries: 0,
    };
    const result = how === 'whole' ? await generateText(request) : streamText(request);
    const steps = await result.steps;
    expect(steps.flatMap(({ toolCalls }) => toolCalls)).toHaveLength(served.callsPerTask);
    expect(await result.text).toMatch(/^[a-z ]+$/);
    expect((await result.totalUsage).cachedInputTokens).toBeGreaterThan(0);
  });

  it('throws its own errors', async () => {
    const other = provider('gpt-5');
    const thrown: unknown = await generateText({ model: other, prompt: 'x', maxRetries: 0 }).catch(
      (error: unknown) => error,
    );
    expect(APICallError.isInstance(thrown) && thrown.statusCode).toBe(404);
  });
});
