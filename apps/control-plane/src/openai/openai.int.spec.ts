import { startPostgres, type EmbeddedPostgres } from '@holdfast/platform';
import { millis } from '@holdfast/scheduling';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { program as wire } from '@holdfast/contracts';
import { request as httpRequest } from 'node:http';
import { startTestPlane, stopTestPlanes, type TestPlane } from '../control-plane.fixture.js';
import { chat, complete, eventsOf, say, textOf, toolOf, untilProgram } from './openai.fixture.js';

// Each test starts services and a database; on a busy machine that takes a while.
jest.setTimeout(120_000);

let postgres: EmbeddedPostgres;
let plane: TestPlane;
let base: string;

const bash = toolOf('bash');
const choose = (name: string): object => ({ type: 'function', function: { name } });
const scripted = '<tool_call>\n{"name": "bash", "arguments": {"command": "npm test"}}\n</tool_call>';

/** What the model answers: what the last message asks it to say, else what the formula gives. */
const answerOf = (ids: Uint32Array): number[] | undefined => {
  const prompt = Buffer.from(ids.filter((id) => id < 256)).toString('utf8');
  const asked = prompt.slice(prompt.lastIndexOf('user\n'));
  const said = /SAY\((?<text>[\s\S]*?)\)ENDSAY/.exec(asked)?.groups?.['text'];
  if (said !== undefined) return [...Buffer.from(said, 'utf8')];
  return asked.includes('CALL') && !asked.includes('tool\n') ? [...Buffer.from(scripted, 'utf8')] : undefined;
};

beforeAll(async () => {
  postgres = await startPostgres({ durable: false });
  plane = await startTestPlane({
    databaseUrl: postgres.url,
    engines: [{ answer: (call) => answerOf(call.promptIds), maxContextTokens: 8_192, decodePerToken: millis(1) }],
  });
  base = `http://${plane.running.httpAddress}/v1`;
}, 120_000);

afterAll(async () => {
  await stopTestPlanes();
  await postgres.stop();
}, 120_000);

describe('chat completions', () => {
  it('answers as OpenAI does, with usage and the program in the headers', async () => {
    const answer = await chat(base, { messages: [say('user', 'hello')], max_tokens: 12 });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      object: 'chat.completion',
      model: 'fake-model',
      choices: [{ index: 0, finish_reason: 'length', message: { role: 'assistant' } }],
      usage: { completion_tokens: 12, prompt_tokens_details: { cached_tokens: 0 } },
    });
    expect(textOf(answer.body)).toHaveLength(12);
    expect(answer.headers.get('x-holdfast-program')).toMatch(/^oai-/);
    expect(Number(answer.headers.get('x-holdfast-queue-wait-ms'))).toBeGreaterThanOrEqual(0);
    expect(answer.headers.get('x-holdfast-cached-tokens')).toBe('0');
  });

  it('streams the same text as it gives whole, and usage in the last chunk when asked to', async () => {
    const request = { messages: [say('user', 'stream this')], max_tokens: 40, seed: 7 };
    const whole = await chat(base, request);
    const events = await eventsOf(base, { ...request, stream: true, stream_options: { include_usage: true } });
    expect(events.text).toBe(textOf(whole.body));
    expect(events.chunks[0]).toMatchObject({ choices: [{ delta: { role: 'assistant' } }] });
    expect(events.finishReason).toBe('length');
    expect(events.chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { completion_tokens: 40 },
      holdfast: { program: events.headers.get('x-holdfast-program') },
    });
    expect(events.isDone).toBe(true);
  });

  it('ends the text before a stop string, streamed or not', async () => {
    const request = { messages: [say('user', 'SAY(one two STOP three)ENDSAY')], stop: ['STOP'] };
    const whole = await chat(base, request);
    expect(whole.body).toMatchObject({ choices: [{ finish_reason: 'stop', message: { content: 'one two ' } }] });
    expect((await eventsOf(base, { ...request, stream: true })).text).toBe('one two ');
  });

  it('gives tool calls as such, and none as text', async () => {
    const request = { messages: [say('user', 'CALL')], tools: [bash] };
    const whole = await chat(base, request);
    expect(whole.body).toMatchObject({
      choices: [
        {
          finish_reason: 'tool_calls',
          message: {
            content: null,
            tool_calls: [{ type: 'function', function: { name: 'bash', arguments: '{"command":"npm test"}' } }],
          },
        },
      ],
    });
    const events = await eventsOf(base, { ...request, stream: true });
    expect(events.text).toBe('');
    expect(events.finishReason).toBe('tool_calls');
    expect(events.toolCalls).toMatchObject([{ index: 0, function: { name: 'bash' } }]);
  });

  it('leaves what looks like a call as text when the request names no such tool', async () => {
    const whole = await chat(base, { messages: [say('user', 'CALL')] });
    expect(textOf(whole.body)).toBe(scripted);
    const other = await chat(base, { messages: [say('user', 'CALL')], tools: [toolOf('other')] });
    expect(textOf(other.body)).toBe(scripted);
  });
});

describe('which program a conversation belongs to', () => {
  it('is that of the conversation it extends, and the known prefix is cached', async () => {
    const messages = [say('system', 'be brief'), say('user', 'first question, long enough for a block or two')];
    const first = await chat(base, { messages, max_tokens: 33 });
    const program = first.headers.get('x-holdfast-program');
    const next = [...messages, say('assistant', textOf(first.body)), say('user', 'second')];
    const second = await chat(base, { messages: next, max_tokens: 8 });
    expect(second.headers.get('x-holdfast-program')).toBe(program);
    const usage = (first.body as { usage: { total_tokens: number } }).usage;
    expect(Number(second.headers.get('x-holdfast-cached-tokens'))).toBe(Math.floor((usage.total_tokens - 1) / 16) * 16);
  });

  it('is the same for an answer that came as a stream of many pieces', async () => {
    const messages = [say('user', 'first question of a streamed conversation')];
    const first = await eventsOf(base, { messages, max_tokens: 33, stream: true });
    expect(first.chunks.filter(({ choices }) => choices[0]?.delta.content).length).toBeGreaterThan(2);
    const next = [...messages, say('assistant', first.text), say('user', 'second')];
    const second = await eventsOf(base, { messages: next, max_tokens: 8, stream: true });
    expect(second.headers.get('x-holdfast-program')).toBe(first.headers.get('x-holdfast-program'));
  });

  it('is another one for the same messages once more, and for another conversation', async () => {
    const messages = [say('user', 'asked twice')];
    const [one, other] = [await chat(base, { messages, max_tokens: 4 }), await chat(base, { messages, max_tokens: 4 })];
    expect(one.headers.get('x-holdfast-program')).not.toBe(other.headers.get('x-holdfast-program'));
  });

  it.each(['x-holdfast-program', 'x-claude-code-session-id', 'session-id', 'x-session-id'])(
    'is that which %s names',
    async (header) => {
      const headers = { [header]: `session-of-${header}` };
      const one = await chat(base, { messages: [say('user', 'a')], max_tokens: 4 }, headers);
      const compacted = [say('user', 'a'), say('assistant', 'a summary'), say('user', 'go on')];
      const other = await chat(base, { messages: compacted, max_tokens: 4 }, headers);
      expect(other.headers.get('x-holdfast-program')).toBe(one.headers.get('x-holdfast-program'));
    },
  );

  it('is a sibling for a second agent of a session, and both go on as they were', async () => {
    const headers = { 'x-session-id': 'two-agents' };
    const run = async (messages: readonly object[]): Promise<Awaited<ReturnType<typeof chat>>> =>
      chat(base, { messages, max_tokens: 8 }, headers);
    const main = [say('system', 'main agent'), say('user', 'a')];
    const sub = [say('system', 'sub agent'), say('user', 'b')];
    const mainAnswer = await run(main);
    const subAnswer = await run(sub);
    const programs = [mainAnswer, subAnswer].map(({ headers: given }) => given.get('x-holdfast-program'));
    expect(new Set(programs).size).toBe(2);
    const next = await Promise.all([
      run([...main, say('assistant', textOf(mainAnswer.body)), say('user', 'more')]),
      run([...sub, say('assistant', textOf(subAnswer.body)), say('user', 'more')]),
    ]);
    expect(next.map(({ headers: given }) => given.get('x-holdfast-program'))).toEqual(programs);
  });

  it('is a sibling for requests at the same time, and none fails', async () => {
    const headers = { 'x-session-id': 'at-once' };
    const request = { messages: [say('user', 'at once')], max_tokens: 16 };
    const answers = await Promise.all(Array.from({ length: 6 }, () => chat(base, request, headers)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    expect(new Set(answers.map(({ headers: given }) => given.get('x-holdfast-program'))).size).toBeGreaterThan(1);
  });

  it('is the one that the SDK started when the header names it', async () => {
    const programId = await plane.client.start({ name: 'mixed' });
    const answer = await chat(
      base,
      { messages: [say('user', 'x')], max_tokens: 4 },
      { 'x-holdfast-program': programId },
    );
    expect(answer.headers.get('x-holdfast-program')).toBe(programId);
  });
});

describe('the time between two turns', () => {
  it('counts as a call of the tool that the answer asked for', async () => {
    const messages = [say('user', 'CALL')];
    const first = await chat(base, { messages, tools: [bash] });
    const programId = first.headers.get('x-holdfast-program') ?? '';
    const during = await untilProgram(plane.client, programId, ({ state }) => state === wire.ProgramState.TOOL_CALL);
    expect(during.toolCallsEnded).toBe(0);
    const [choice] = (first.body as { choices: { message: { tool_calls: { id: string }[] } }[] }).choices;
    const result = { role: 'tool', tool_call_id: choice?.message.tool_calls[0]?.id ?? '', content: 'all passed' };
    const next = [...messages, { role: 'assistant', content: null, ...choice?.message }, result];
    const second = await chat(base, { messages: next, tools: [bash], max_tokens: 8 });
    expect(second.headers.get('x-holdfast-program')).toBe(programId);
    const after = await untilProgram(plane.client, programId, ({ toolCallsEnded }) => toolCallsEnded === 1);
    expect(after.turnsFinished).toBe(2);
  });
});

describe('completions and models', () => {
  it('completes a prompt of text or token ids, in a program that ends with it', async () => {
    const text = await complete(base, { prompt: 'once upon a time', max_tokens: 20 });
    const ids = await complete(base, { prompt: [...Buffer.from('once upon a time')], max_tokens: 20 });
    expect(text.body).toMatchObject({ object: 'text_completion', usage: { prompt_tokens: 16, completion_tokens: 20 } });
    expect((ids.body as { choices: object[] }).choices).toEqual((text.body as { choices: object[] }).choices);
    const programId = text.headers.get('x-holdfast-program') ?? '';
    await untilProgram(plane.client, programId, ({ state }) => state === wire.ProgramState.COMPLETED);
  });

  it('lists the model, and shows it by its name', async () => {
    const list = (await (await fetch(`${base}/models`)).json()) as { data: object[] };
    expect(list).toMatchObject({ object: 'list', data: [{ id: 'fake-model', object: 'model', max_model_len: 8_192 }] });
    expect(await (await fetch(`${base}/models/fake-model`)).json()).toEqual(list.data[0]);
    expect((await fetch(`${base}/models/other`)).status).toBe(404);
  });
});

describe('log probabilities', () => {
  interface Logprob {
    readonly token: string;
    readonly logprob: number;
    readonly bytes: number[] | null;
    readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
  }
  type Choices = { choices: { logprobs: { content: Logprob[] } | null }[] };
  const request = { messages: [say('user', 'how sure?')], max_tokens: 9, logprobs: true, top_logprobs: 2, seed: 3 };

  it('come with each token of a chat answer, whole or streamed', async () => {
    const { body } = await chat(base, request);
    const told = (body as Choices).choices[0]?.logprobs?.content ?? [];
    expect(told.map(({ token }) => token).join('')).toBe(textOf(body));
    expect(told[0]).toEqual({
      token: told[0]?.token,
      bytes: [...Buffer.from(told[0]?.token ?? '')],
      logprob: expect.any(Number),
      top_logprobs: [expect.objectContaining({ token: told[0]?.token }), expect.anything()],
    });
    const { chunks } = await eventsOf(base, { ...request, stream: true });
    const streamed = (chunks as unknown as Choices[]).flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
    expect(streamed).toEqual(told);
  });

  it('come with completions in their own form', async () => {
    const { body } = await complete(base, { prompt: 'once', max_tokens: 4, logprobs: 1 });
    const [choice] = (body as { choices: { text: string; logprobs: Record<string, unknown[]> }[] }).choices;
    expect(choice?.logprobs['tokens']?.join('')).toBe(choice?.text);
    expect(choice?.logprobs['text_offset']).toEqual([0, 1, 2, 3]);
    expect(choice?.logprobs['token_logprobs']).toHaveLength(4);
    expect(choice?.logprobs['top_logprobs']?.[0]).toEqual({ [String(choice?.text[0])]: -Math.LN2 });
  });

  it('are absent when nobody asks', async () => {
    const { body } = await chat(base, { ...request, logprobs: false, top_logprobs: 0 });
    expect((body as Choices).choices[0]?.logprobs).toBeNull();
  });
});

describe('chunks beside the messages', () => {
  const chunks = [
    { id: 'p-1', text: 'The lighthouse is grey.', source: 'guide', source_version: '3' },
    { id: 'p-2', text: 'The heron waits.', source: 'guide' },
  ];
  const messages = [say('system', 'Answer briefly.'), say('user', 'What colour?')];

  it('stand behind the system message of their turn, and are no part of the conversation', async () => {
    const bare = await chat(base, { messages, max_tokens: 4 }, { 'x-session-id': 'without' });
    const answer = await chat(base, { messages, max_tokens: 4, holdfast: { chunks } });
    const tokensOf = ({ body }: { readonly body: unknown }): number =>
      (body as { usage: { prompt_tokens: number } }).usage.prompt_tokens;
    // Bytes are tokens here; two line breaks stand before the first chunk and behind each.
    const added = chunks.reduce((sum, { text }) => sum + text.length + 2, 2);
    expect(tokensOf(answer) - tokensOf(bare)).toBe(added);
    expect(answer.headers.get('x-holdfast-chunk-reused-tokens')).toBe('0');
    expect(bare.headers.get('x-holdfast-chunk-reused-tokens')).toBeNull();
    const next = [...messages, say('assistant', textOf(answer.body)), say('user', 'And then?')];
    const second = await chat(base, { messages: next, max_tokens: 4 });
    expect(second.headers.get('x-holdfast-program')).toBe(answer.headers.get('x-holdfast-program'));
  });

  it('have names without characters of control, which no row can hold', async () => {
    const refused = await chat(base, {
      messages,
      max_tokens: 4,
      holdfast: { chunks: [{ ...chunks[0], source: 'a\0' }] },
    });
    expect([refused.status, refused.body]).toMatchObject([400, { error: { param: 'holdfast.chunks[0].source' } }]);
  });

  it('are told what they cost at the end of a stream', async () => {
    const body = { messages: [say('system', 'Another one.'), say('user', 'x')], max_tokens: 4, stream: true };
    const costs = async (): Promise<unknown> => (await eventsOf(base, { ...body, holdfast: { chunks } })).chunks.at(-1);
    const reason = expect.stringContaining('prefixes only');
    expect(await costs()).toMatchObject({ holdfast: { chunks: { reused_tokens: 0, reused_chunks: 0, reason } } });
    // The engine has the prompt as a prefix now.
    expect(await costs()).toMatchObject({ holdfast: { chunks: { computed_tokens: 0, reused_chunks: 2, reason } } });
  });

  it('are refused where there are no messages', async () => {
    const answer = await complete(base, { prompt: 'x', holdfast: { chunks } });
    expect([answer.status, answer.body]).toMatchObject([400, { error: { param: 'holdfast' } }]);
  });
});

describe('what is wrong', () => {
  const messages = [say('user', 'x')];
  it.each([
    ['no messages', { messages: [] }, 400, 'messages'],
    ['an unknown role', { messages: [say('robot', 'x')] }, 400, 'messages[0].role'],
    ['an image', { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 400, 'messages[0].content'],
    ['several answers', { messages, n: 2 }, 400, 'n'],
    ['candidates of no log probabilities', { messages, top_logprobs: 3 }, 400, 'top_logprobs'],
    ['a forced tool that is none', { messages, tools: [bash], tool_choice: choose('sh') }, 400, 'tool_choice'],
    ['a forced tool without tools', { messages, tool_choice: 'required' }, 400, 'tool_choice'],
    ['a form that is none', { messages, response_format: { type: 'xml' } }, 400, 'response_format.type'],
    ['a form that no engine has', { messages, response_format: { type: 'json_object' } }, 400, 'response_format'],
    ['a call that no engine can force', { messages, tools: [bash], tool_choice: 'required' }, 400, 'tool_choice'],
    ['a bias of a token that is none', { messages, logit_bias: { 999_999: 1 } }, 400, 'logit_bias[0]'],
    ['a penalty out of range', { messages, presence_penalty: 3 }, 400, 'presence_penalty'],
    ['a temperature out of range', { messages, temperature: 3 }, 400, 'temperature'],
    [
      'a chunk without a source',
      { messages, holdfast: { chunks: [{ id: 'a', text: 'x' }] } },
      400,
      'holdfast.chunks[0].source',
    ],
    ['an extension that is none', { messages, holdfast: { chunk: [] } }, 400, 'holdfast'],
    ['another model', { messages, model: 'gpt-5' }, 404, 'model'],
    ['a prompt that is too long', { messages: [say('user', 'x'.repeat(9_000))] }, 400, 'conversation'],
  ])('is named for %s', async (_, request, status, param) => {
    for (const stream of [false, true]) {
      const answer = await chat(base, { ...request, stream });
      expect(answer.status).toBe(status);
      expect(answer.body).toMatchObject({ error: { type: 'invalid_request_error', param } });
    }
  });

  it('is told for paths, methods and bodies that are none', async () => {
    expect((await fetch(`${base}/embeddings`, { method: 'POST', body: '{}' })).status).toBe(404);
    expect((await fetch(`${base}/chat/completions`)).status).toBe(405);
    for (const body of ['', '{', 'null', '[1]', '"x"', `{"messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`]) {
      const answer = await fetch(`${base}/chat/completions`, { method: 'POST', body });
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    }
  });
});

describe('a page whose name was led to the loopback', () => {
  /** `fetch` names the host as it is. */
  const statusUnder = (host: string, path: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      httpRequest(`http://${plane.running.httpAddress}${path}`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });

  it.each(['/api/v1/programs', '/v1/models', '/metrics'])('reads nothing of %s', async (path) => {
    expect(await statusUnder('rebound.example', path)).toBe(403);
    expect(await statusUnder('localhost', path)).toBe(200);
  });
});

describe('a client that leaves', () => {
  it('takes its turn with it, and its program when nobody else could find it', async () => {
    const body = JSON.stringify({
      model: 'fake-model',
      messages: [say('user', 'leave me')],
      stream: true,
      max_tokens: 8_000,
    });
    const programId = await new Promise<string>((resolve, reject) => {
      const call = httpRequest(`${base}/chat/completions`, { method: 'POST' }, (response) => {
        response.once('data', () => call.destroy());
        response.on('error', () => undefined);
        resolve(String(response.headers['x-holdfast-program']));
      });
      call.on('error', reject);
      call.end(body);
    });
    await untilProgram(plane.client, programId, ({ state }) => state === wire.ProgramState.FAILED);
  });
});
