import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { SAMPLING_FEATURES, type GenerateSampling } from '@holdfast/engines';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startTestPlane, stopTestPlanes } from '../control-plane.fixture.js';
import { chat, complete, eventsOf, say, textOf, toolOf } from './openai.fixture.js';

// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;
let base: string;
let asked: GenerateSampling[] = [];

/** An engine that has grammars: the script stands for the model, and keeps to the form that it is given. */
const answers: Partial<Record<string, string>> = {
  jsonObject: '{"city": "Paris"}',
  jsonSchema: '[{"name": "bash", "arguments": {"command": "ls"}}, {"name": "bash", "arguments": {"command": "pwd"}}]',
  choice: 'yes',
};

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  const plane = await startTestPlane({
    databaseUrl: postgres.url,
    engines: [
      {
        samplingFeatures: SAMPLING_FEATURES,
        answer: ({ sampling }) => {
          asked.push(sampling);
          const answer = answers[sampling.structuredOutput?.type ?? ''];
          return answer === undefined ? undefined : [...Buffer.from(answer)];
        },
      },
    ],
  });
  base = `http://${plane.running.httpAddress}/v1`;
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

const messages = [say('user', 'answer me')];
const bash = toolOf('bash');

describe('the form of an answer', () => {
  it('goes to the engine as response_format says it', async () => {
    asked = [];
    const { status, body } = await chat(base, { messages, response_format: { type: 'json_object' } });
    expect(status).toBe(200);
    expect(JSON.parse(textOf(body))).toEqual({ city: 'Paris' });
    expect(asked.map(({ structuredOutput }) => structuredOutput)).toEqual([{ type: 'jsonObject' }]);
  });

  it("goes to the engine as vLLM's own front end takes it, of completions too", async () => {
    asked = [];
    const { body } = await complete(base, { prompt: 'sure?', structured_outputs: { choice: ['yes', 'no'] } });
    expect(body).toMatchObject({ choices: [{ text: 'yes', finish_reason: 'stop' }] });
    expect(asked[0]?.structuredOutput).toEqual({ type: 'choice', choices: ['yes', 'no'] });
  });

  it.each([['required'], [{ type: 'function', function: { name: 'bash' } }]])(
    'is a call where tool_choice is %j, whole or streamed',
    async (choice) => {
      asked = [];
      const request = { messages, tools: [bash], tool_choice: choice };
      const whole = await chat(base, request);
      expect(whole.body).toMatchObject({
        choices: [
          {
            finish_reason: 'tool_calls',
            message: { content: null, tool_calls: [{ function: { name: 'bash', arguments: '{"command":"ls"}' } }, {}] },
          },
        ],
      });
      const events = await eventsOf(base, { ...request, stream: true });
      expect(events.text).toBe('');
      expect(events.toolCalls).toMatchObject([{ function: { name: 'bash' } }, {}]);
      const [form] = asked.map(({ structuredOutput }) => structuredOutput);
      const schema: unknown = JSON.parse(form?.type === 'jsonSchema' ? form.schema : '');
      expect(schema).toMatchObject({ type: 'array', items: { properties: { name: { enum: ['bash'] } } } });
    },
  );

  it('has one call where parallel_tool_calls is false', async () => {
    const request = { messages, tools: [bash], tool_choice: 'required', parallel_tool_calls: false };
    const { body } = await chat(base, request);
    const [choice] = (body as { choices: { message: { tool_calls: object[] } }[] }).choices;
    expect(choice?.message.tool_calls).toHaveLength(1);
  });
});

describe('what shapes the choice of tokens', () => {
  it('goes to the engine as it came', async () => {
    asked = [];
    const shape = { presence_penalty: 0.5, frequency_penalty: -1, repetition_penalty: 1.5, min_p: 0.25 };
    await chat(base, { messages, max_tokens: 2, ...shape, logit_bias: { 65: -100 }, stop_token_ids: [7] });
    expect(asked[0]).toMatchObject({
      presencePenalty: 0.5,
      frequencyPenalty: -1,
      repetitionPenalty: 1.5,
      minP: 0.25,
      logitBias: [{ tokenId: 65, bias: -100 }],
      stopTokenIds: [7],
    });
  });
});
