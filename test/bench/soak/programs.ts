/** Clients of a soak: good ones, and those that stall, vanish and send garbage. Each holds conversations until it is told to end. */
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a client behaves. */
export type Manner = 'good' | 'stalls' | 'vanishes' | 'garbage';

/** What clients saw. */
export interface SoakCounts {
  answered: number;
  refused: number;
  failed: number;
  stalled: number;
  vanished: number;
  garbage: number;
  /** Good clients' answers that did not end in order, by what was wrong; the first few. */
  readonly problems: string[];
}

/** What all clients share. */
export interface SoakContext {
  readonly baseUrl: string;
  readonly model: string;
  readonly counts: SoakCounts;
  readonly signal: AbortSignal;
}

const MAX_PROBLEMS = 10;
const TURN_DEADLINE_MS = 120_000;
const TURNS = 6;
const agent = new Agent({ keepAlive: true, maxSockets: 600 });

/** One client after the other, each with a conversation of its own. */
export const runClient = async (context: SoakContext, id: number, manner: Manner): Promise<void> => {
  const manners = { good: converse, stalls: stall, vanishes: vanish, garbage: sendGarbage };
  for (let round = 0; !context.signal.aborted; round += 1) {
    try {
      await manners[manner](context, `${id}.${round}`);
    } catch (error) {
      if (context.signal.aborted) return;
      context.counts.failed += 1;
      const problem = `${manner}: ${error instanceof Error ? error.message : String(error)}`;
      if (context.counts.problems.length < MAX_PROBLEMS) context.counts.problems.push(problem);
    }
  }
};

const converse = async (context: SoakContext, id: string): Promise<void> => {
  const messages: object[] = [{ role: 'system', content: `You are agent ${id}.` }];
  for (let turn = 0; turn < TURNS && !context.signal.aborted; turn += 1) {
    messages.push({ role: 'user', content: `Step ${turn} of ${id}: go on.` });
    const response = await post(context, { messages, max_tokens: 64 });
    const body = await readAll(response);
    if (response.statusCode === 429 || response.statusCode === 503) {
      context.counts.refused += 1;
      await sleep(Number(response.headers['retry-after-ms'] ?? 500));
      return;
    }
    if (response.statusCode !== 200 || !body.endsWith('data: [DONE]\n\n') || body.includes('"error"')) {
      throw new Error(`${response.statusCode} ${body.slice(-300)}`);
    }
    context.counts.answered += 1;
    messages.push({ role: 'assistant', content: textOf(body) });
    await sleep(100 + ((turn * 37) % 200));
  }
};

/** Reads nothing of a long answer until the service gives it up. */
const stall = async (context: SoakContext, id: string): Promise<void> => {
  const response = await post(context, { messages: [{ role: 'user', content: `stall ${id}` }], max_tokens: 100_000 });
  response.pause();
  response.on('error', () => undefined);
  await Promise.race([
    new Promise((resolve) => response.once('close', resolve)),
    sleep(TURN_DEADLINE_MS, undefined, { ref: false }),
  ]);
  response.destroy();
  context.counts.stalled += 1;
};

/** Leaves at different places: before the answer, at its head, amid it. */
const vanish = async (context: SoakContext, id: string): Promise<void> => {
  const question = { messages: [{ role: 'user', content: `vanish ${id}` }], max_tokens: 2_000 };
  const place = Number(id.split('.')[1]) % 3;
  if (place === 0) {
    const call = open(context, question);
    call.on('error', () => undefined);
    await sleep(30);
    call.destroy();
  } else {
    const response = await post(context, question);
    response.on('error', () => undefined);
    if (place === 2) await new Promise((resolve) => response.once('data', resolve).once('close', resolve));
    response.destroy();
  }
  context.counts.vanished += 1;
  await sleep(200);
};

const GARBAGE = [
  'GET /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
  'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"model":',
  'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nnull',
  'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n${'['.repeat(40)}`,
  '\u0016\u0003\u0001 no TLS here\r\n\r\n',
];

/** Bytes that are no request, or half of one. */
const sendGarbage = async ({ baseUrl, counts }: SoakContext, id: string): Promise<void> => {
  const { hostname, port } = new URL(baseUrl);
  const bytes = GARBAGE[Number(id.split('.')[1]) % GARBAGE.length] ?? '';
  await new Promise<void>((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(bytes));
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.setTimeout(500, () => socket.destroy());
    socket.on('close', () => resolve());
  });
  counts.garbage += 1;
  await sleep(200);
};

const open = ({ baseUrl, model }: SoakContext, question: object): ClientRequest => {
  const body = JSON.stringify({ model, stream: true, ...question });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const call = request(`${baseUrl}/chat/completions`, { method: 'POST', agent, headers });
  call.end(body);
  return call;
};

const post = (context: SoakContext, question: object): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const call = open(context, question);
    call.setTimeout(TURN_DEADLINE_MS, () =>
      call.destroy(new Error(`no byte within ${TURN_DEADLINE_MS} ms: a stuck turn`)),
    );
    call.once('response', resolve).on('error', reject);
  });

const readAll = async (response: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const piece of response.setEncoding('utf8') as AsyncIterable<string>) text += piece;
  return text;
};

const textOf = (events: string): string =>
  events
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice(6)) as { choices: { delta: { content?: string } }[] })
    .map(({ choices }) => choices[0]?.delta.content ?? '')
    .join('');
