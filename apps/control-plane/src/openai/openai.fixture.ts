/** Requests of the OpenAI form, as a test sends them: without any client library. */
import { program as wire } from '@holdfast/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestClient } from '../control-plane.fixture.js';

/** An answer of any status. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** What a stream carried. */
export interface StreamedAnswer {
  readonly headers: Headers;
  readonly chunks: readonly Chunk[];
  readonly text: string;
  readonly toolCalls: readonly object[];
  readonly finishReason: string | null;
  readonly isDone: boolean;
}

interface Chunk {
  readonly choices: readonly {
    readonly delta: { readonly content?: string; readonly tool_calls?: readonly object[] };
    readonly finish_reason: string | null;
  }[];
}

const send = (url: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'fake-model', ...body }),
  });

const whole = async (response: Response): Promise<HttpAnswer> => ({
  status: response.status,
  headers: response.headers,
  body: await response.json(),
});

/** `POST /v1/chat/completions`. */
export const chat = async (
  base: string,
  body: object,
  headers?: Readonly<Record<string, string>>,
): Promise<HttpAnswer> => whole(await send(`${base}/chat/completions`, body, headers));

/** `POST /v1/completions`. */
export const complete = async (base: string, body: object): Promise<HttpAnswer> =>
  whole(await send(`${base}/completions`, body));

/** The same, read as a stream. */
export const eventsOf = async (base: string, body: object): Promise<StreamedAnswer> => {
  const response = await send(`${base}/chat/completions`, body);
  const events = (await response.text()).split('\n\n').filter((event) => event !== '');
  const isDone = events.at(-1) === 'data: [DONE]';
  const chunks = events.slice(0, isDone ? -1 : undefined).map((event) => JSON.parse(event.slice(6)) as Chunk);
  const choices = chunks.flatMap((chunk) => chunk.choices);
  return {
    headers: response.headers,
    chunks,
    text: choices.map(({ delta }) => delta.content ?? '').join(''),
    toolCalls: choices.flatMap(({ delta }) => delta.tool_calls ?? []),
    finishReason: choices.map((choice) => choice.finish_reason).findLast((reason) => reason !== null) ?? null,
    isDone,
  };
};

/** A message. */
export const say = (role: string, content: string): object => ({ role, content });

/** A tool without parameters. */
export const toolOf = (name: string): object => ({
  type: 'function',
  function: { name, description: 'a tool', parameters: { type: 'object', properties: {} } },
});

/** The text of a whole answer. */
export const textOf = (body: unknown): string =>
  (body as { choices: { message: { content: string } }[] }).choices[0]?.message.content ?? '';

/** Waits until a program is as it should be. */
export const untilProgram = async (
  client: TestClient,
  programId: string,
  isSo: (program: wire.Program) => boolean,
): Promise<wire.Program> => {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const { program } = await client.call('getProgram', { programId });
    if (program !== undefined && isSo(program)) return program;
    if (Date.now() > deadline) throw new Error(`program ${programId} stayed as ${JSON.stringify(program?.state)}`);
    await sleep(20);
  }
};
