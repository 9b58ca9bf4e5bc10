import { describe, expect, it } from '@jest/globals';
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from 'openai';
import type { RunnableToolFunctionWithParse } from 'openai/lib/RunnableFunction';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { baseUrl, openAiTools, served, toolOutput } from './served.fixture.js';

const { apiKey, model } = served;
const client = new OpenAI({ baseURL: baseUrl, apiKey, maxRetries: 0 });

const hello: ChatCompletionMessageParam[] = [
  { role: 'developer', content: 'Be brief.' },
  { role: 'user', content: 'Say something.' },
];

const logprobsOf = (
  choices: readonly { readonly logprobs?: OpenAI.ChatCompletion.Choice.Logprobs | null }[],
): readonly OpenAI.ChatCompletionTokenLogprob[] => choices[0]?.logprobs?.content ?? [];

describe('the openai package for Node', () => {
  it('gets the same text whole and streamed, with usage', async () => {
    const whole = await client.chat.completions.create({ model, messages: hello, max_tokens: 60 });
    const stream = await client.chat.completions.create({
      model,
      messages: hello,
      max_tokens: 60,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(text.length).toBeGreaterThan(10);
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(usage).toEqual({ ...whole.usage, prompt_tokens_details: expect.anything() });
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
  });

  it('runs tools by its own helper, streamed', async () => {
    const calls: string[] = [];
    const runner = client.chat.completions.runTools({
      model,
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: 'Look around.' }],
      tools: openAiTools.map(
        ({ function: { name, description, parameters } }): RunnableToolFunctionWithParse<object> => ({
          type: 'function',
          function: {
            name,
            description,
            parameters: structuredClone<object>(parameters),
            parse: (text: string) => JSON.parse(text) as object,
            function: (args: object) => {
              calls.push(name);
              return toolOutput(name, args);
            },
          },
        }),
      ),
    });
    const text = await runner.finalContent();
    expect(calls).toHaveLength(served.callsPerTask);
    expect(text).toMatch(/^[a-z ]+$/);
    const usage = await runner.totalUsage();
    expect(usage.completion_tokens).toBeGreaterThan(0);
  });

  it('aborts a stream, and the turn with it', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'Go on for long.' }],
      max_tokens: 30_000,
      stream: true,
    });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    expect(stream.controller.signal.aborted).toBe(true);
  });

  it('completes a prompt, and lists models', async () => {
    const completion = await client.completions.create({ model, prompt: 'once upon', max_tokens: 8 });
    expect(completion.choices[0]?.text).toHaveLength(8);
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual([model]);
    expect((await client.models.retrieve(model)).owned_by).toBe('holdfast');
  });

  it('reads log probabilities, whole and streamed', async () => {
    const ask = { model, messages: hello, max_tokens: 12, logprobs: true, top_logprobs: 3 };
    const { choices: answers } = await client.chat.completions.create(ask);
    const told = logprobsOf(answers);
    expect(told.map(({ token }) => token).join('')).toBe(answers[0]?.message.content);
    expect(told.every(({ logprob, top_logprobs: top }) => logprob < 0 && top.length === 3)).toBe(true);
    const streamed: OpenAI.ChatCompletionTokenLogprob[] = [];
    for await (const { choices } of await client.chat.completions.create({ ...ask, stream: true })) {
      streamed.push(...logprobsOf(choices));
    }
    expect(streamed).toEqual(told);
    const completion = await client.completions.create({ model, prompt: 'once upon', max_tokens: 8, logprobs: 2 });
    expect(completion.choices[0]?.logprobs?.tokens?.join('')).toBe(completion.choices[0]?.text);
  });

  it('gets one call of a tool where it wants no more', async () => {
    const ask = { model, messages: hello, tools: openAiTools.map((tool) => structuredClone(tool)) };
    const { choices } = await client.chat.completions.create({ ...ask, parallel_tool_calls: false });
    expect(choices[0]?.message.tool_calls).toHaveLength(1);
  });

  it('throws its own errors, with codes to act on', async () => {
    const failure = async (call: Promise<unknown>): Promise<APIError> => {
      const thrown = await call.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (thrown instanceof APIError) return thrown;
      throw new Error(`no APIError: ${String(thrown)}`);
    };
    const ask = (changes: object): Promise<unknown> =>
      client.chat.completions.create({ model, messages: hello, ...changes });
    const stranger = new OpenAI({ baseURL: baseUrl, apiKey: 'sk-wrong', maxRetries: 0 });
    const errors = [
      await failure(ask({ model: 'gpt-5' })),
      await failure(ask({ messages: [{ role: 'user', content: 'x'.repeat(served.maxContextTokens) }] })),
      await failure(ask({ n: 2 })),
      // A simulated engine follows no grammar.
      await failure(ask({ response_format: { type: 'json_object' } })),
      await failure(stranger.models.list()),
    ];
    expect(errors.map(({ code }) => code)).toEqual([
      'model_not_found',
      'context_length_exceeded',
      'field_invalid',
      'engine_capability_missing',
      'invalid_api_key',
    ]);
    expect(errors.map((error) => error.constructor)).toEqual([
      NotFoundError,
      BadRequestError,
      BadRequestError,
      BadRequestError,
      AuthenticationError,
    ]);
    expect(errors.every(({ requestID }) => typeof requestID === 'string')).toBe(true);
  });
});
