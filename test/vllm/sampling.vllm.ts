import { type EmbeddedPostgres, startPostgres } from '@holdfast/platform';
import { Holdfast } from '@holdfast/sdk';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { type ControlPlane, startControlPlane } from './support/control-plane.js';
import { VllmProcess } from './support/vllm-process.js';

let postgres: EmbeddedPostgres;
let engine: VllmProcess;
let controlPlane: ControlPlane;
let holdfast: Holdfast;

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  engine = await VllmProcess.start();
  controlPlane = await startControlPlane({
    engines: [engine.target],
    policy: 'vllm-fcfs',
    databaseUrl: postgres.url,
    pool: 'sampling',
    dispatchWindow: 16,
    prefillCost: '0.04,0.0005,0',
  });
  holdfast = new Holdfast({ address: controlPlane.address });
});
afterAll(async () => {
  holdfast?.close();
  await controlPlane?.process.stop();
  await engine?.stop();
  await postgres?.stop();
});

interface Logprob {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

interface Choice {
  readonly finish_reason: string;
  readonly message: {
    readonly content: string | null;
    readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: string } }[];
  };
  readonly logprobs: { readonly content: readonly Logprob[] } | null;
}

const post = (request: object): Promise<Response> =>
  fetch(`http://${controlPlane.httpAddress}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'smollm2', temperature: 0, max_tokens: 96, ...request }),
  });

const ask = async (request: object): Promise<Choice> => {
  const response = await post(request);
  const body = (await response.json()) as { choices?: readonly Choice[] };
  const [choice] = body.choices ?? [];
  if (choice === undefined) throw new Error(`no answer: ${JSON.stringify(body)}`);
  return choice;
};

const messages = [{ role: 'user', content: 'Which is the capital of France?' }];
const schema = {
  type: 'object',
  properties: { city: { enum: ['Paris', 'Rome', 'Madrid'] }, isCapital: { type: 'boolean' } },
  required: ['city', 'isCapital'],
  additionalProperties: false,
};
const tool = (name: string, properties: object): object => ({
  type: 'function',
  function: { name, description: name, parameters: { type: 'object', properties, required: Object.keys(properties) } },
});
const tools = [tool('weather', { city: { $ref: '#/$defs/City' } }), tool('clock', { zone: { enum: ['CET', 'UTC'] } })];
Object.assign((tools[0] as { function: { parameters: object } }).function.parameters, {
  $defs: { City: { enum: ['Paris', 'Rome'] } },
});

describe('the form of an answer of a real model', () => {
  it('is that of the JSON schema', async () => {
    const choice = await ask({
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
    });
    expect(choice.finish_reason).toBe('stop');
    const answer: unknown = JSON.parse(choice.message.content ?? '');
    expect(answer).toEqual({ city: expect.stringMatching(/^(Paris|Rome|Madrid)$/), isCapital: expect.any(Boolean) });
  });

  it('is a call of a tool that has to be called, with arguments of its schema', async () => {
    const choice = await ask({ messages, tools, tool_choice: 'required', parallel_tool_calls: false });
    expect(choice.finish_reason).toBe('tool_calls');
    const [call] = choice.message.tool_calls ?? [];
    const args: unknown = JSON.parse(call?.function.arguments ?? '');
    if (call?.function.name === 'weather') expect(args).toEqual({ city: expect.stringMatching(/^(Paris|Rome)$/) });
    else expect(args).toEqual({ zone: expect.stringMatching(/^(CET|UTC)$/) });
  });

  it('is a call of the very tool that is named', async () => {
    const named = { type: 'function', function: { name: 'clock' } };
    const choice = await ask({ messages, tools, tool_choice: named });
    expect(choice.message.tool_calls).toHaveLength(1);
    expect(choice.message.tool_calls?.[0]?.function.name).toBe('clock');
  });

  it('is that of the JSON schema, or a call, where tools may be called', async () => {
    const choice = await ask({
      messages,
      tools,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
      parallel_tool_calls: false,
    });
    if (choice.finish_reason === 'tool_calls') {
      expect(['weather', 'clock']).toContain(choice.message.tool_calls?.[0]?.function.name);
    } else {
      const answer: unknown = JSON.parse(choice.message.content ?? '');
      expect(answer).toEqual({ city: expect.stringMatching(/^(Paris|Rome|Madrid)$/), isCapital: expect.any(Boolean) });
    }
  });

  it('is read by the openai package with its own helpers, calls too', async () => {
    const client = new OpenAI({ baseURL: `http://${controlPlane.httpAddress}/v1`, apiKey: 'none', maxRetries: 0 });
    const ask = {
      model: 'smollm2',
      temperature: 0,
      max_tokens: 96,
      messages: [{ role: 'user', content: 'Which is the capital of France?' } as const],
    };
    const Answer = z.object({ city: z.enum(['Paris', 'Rome']), isCapital: z.boolean() });
    const format = zodResponseFormat(Answer, 'answer');
    const { choices } = await client.chat.completions.parse({ ...ask, response_format: format });
    expect(Answer.safeParse(choices[0]?.message.parsed).success).toBe(true);
    const clock = zodFunction({ name: 'clock', parameters: z.object({ zone: z.enum(['CET', 'UTC']) }) });
    const called = await client.chat.completions.parse({ ...ask, tools: [clock], tool_choice: 'required' });
    const [call] = called.choices[0]?.message.tool_calls ?? [];
    expect(call?.function.parsed_arguments).toEqual({ zone: expect.stringMatching(/^(CET|UTC)$/) });
  });

  it('is what the SDK asks for', async () => {
    const { text, finishReason } = await holdfast.run({ name: 'choice' }, (program) =>
      program.turn({
        messages: [{ role: 'user', content: 'Is Paris in France?' }],
        structuredOutput: { choice: ['certainly', 'never'] },
        temperature: 0,
        maxTokens: 16,
        last: true,
      }),
    );
    expect(['certainly', 'never']).toContain(text);
    expect(finishReason).toBe('stop');
  });

  it('is refused with the reason when the engine cannot make a grammar of it', async () => {
    const response = await post({ messages, structured_outputs: { regex: '(' } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', code: 'field_invalid' } });
  });
});

describe('the choice of tokens', () => {
  it('is told by log probabilities: the likeliest one was chosen, and they are probabilities', async () => {
    const choice = await ask({ messages, max_tokens: 8, logprobs: true, top_logprobs: 5 });
    const told = choice.logprobs?.content ?? [];
    expect(told.map(({ token }) => token).join('')).toBe(choice.message.content);
    for (const { token, logprob, top_logprobs: top } of told) {
      expect(top).toHaveLength(5);
      expect(top[0]).toEqual({ token, logprob, bytes: expect.anything() });
      const sum = top.reduce((total, one) => total + Math.exp(one.logprob), 0);
      expect(sum).toBeGreaterThan(Math.exp(logprob) - 1e-6);
      expect(sum).toBeLessThanOrEqual(1 + 1e-3);
    }
  });

  it('comes to the SDK token by token', async () => {
    const { tokenIds, logprobs } = await holdfast.run({ name: 'logprobs' }, (program) =>
      program.turn({
        messages: [{ role: 'user', content: 'Count to three.' }],
        maxTokens: 6,
        temperature: 0,
        logprobs: 2,
        last: true,
      }),
    );
    expect(logprobs?.map(({ top }) => top[0]?.tokenId)).toEqual(tokenIds);
  });

  it('changes by a bias against the token that would come first', async () => {
    const plain = await holdfast.run({ name: 'plain' }, (program) =>
      program.turn({ promptIds: [...Array(20).keys()].map((id) => id + 1_000), maxTokens: 1, temperature: 0 }),
    );
    const [first = -1] = plain.tokenIds;
    const biased = await holdfast.run({ name: 'biased' }, (program) =>
      program.turn({
        promptIds: [...Array(20).keys()].map((id) => id + 1_000),
        maxTokens: 1,
        temperature: 0,
        logitBias: new Map([[first, -100]]),
      }),
    );
    expect(biased.tokenIds).not.toEqual(plain.tokenIds);
  });

  it('takes penalties, and a token that ends the output', async () => {
    const shape = { presence_penalty: 1, frequency_penalty: 1, repetition_penalty: 1.2, min_p: 0.05 };
    const choice = await ask({ messages, max_tokens: 4, ignore_eos: true, ...shape });
    expect(choice.finish_reason).toBe('length');
    const { tokenIds } = await holdfast.run({ name: 'stop' }, async (program) => {
      const input = { promptIds: [...Array(20).keys()].map((id) => id + 2_000), temperature: 0, ignoreEos: true };
      const whole = await program.turn({ ...input, maxTokens: 4 });
      return program.turn({ ...input, maxTokens: 4, stopTokenIds: whole.tokenIds.slice(1, 2) });
    });
    expect(tokenIds.length).toBeLessThanOrEqual(2);
  });
});
