import { Agent, request } from 'node:http';

/** A message of a conversation. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** Pure. As the engine's chat template writes them. */
export const rendered = (messages: readonly Message[]): string =>
  `${messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')}<|im_start|>assistant\n`;

/** A streamed answer. */
export interface Answer {
  readonly text: string;
  /** To the first text, in milliseconds. */
  readonly ttftMs: number;
  /** To the end of the stream, in milliseconds. */
  readonly totalMs: number;
}

/** Asks one way to the engine. */
export type Ask = (messages: readonly Message[], maxTokens: number) => Promise<Answer>;

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
}

const SOCKETS = 64;
const DEADLINE_MS = 60_000;

/** Streamed chat completions over kept-alive connections, read without a client library: its time is not what counts. */
export class HttpChat {
  readonly #url: string;
  readonly #model: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });

  constructor(baseUrl: string, model: string) {
    this.#url = `${baseUrl}/chat/completions`;
    this.#model = model;
  }

  /** @throws Error for any answer but a stream that ends in order, within a minute. */
  ask(messages: readonly Message[], maxTokens: number): Promise<Answer> {
    const body = JSON.stringify({ model: this.#model, messages, max_tokens: maxTokens, stream: true });
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const options = { method: 'POST', agent: this.#agent, headers, signal: AbortSignal.timeout(DEADLINE_MS) };
      const call = request(this.#url, options, (response) => {
        let held = '';
        let text = '';
        let ttftMs = 0;
        let isDone = false;
        response.setEncoding('utf8').on('data', (piece: string) => {
          const events = `${held}${piece}`.split('\n\n');
          held = events.pop() ?? '';
          for (const event of events) {
            if (event === 'data: [DONE]') isDone = true;
            else if (event.startsWith('data: ')) text += textOf(JSON.parse(event.slice(6)) as Chunk);
            if (ttftMs === 0 && text !== '') ttftMs = performance.now() - startedAt;
          }
        });
        response.on('error', reject).on('end', () => {
          if (isDone && text !== '') resolve({ text, ttftMs, totalMs: performance.now() - startedAt });
          else reject(new Error(`${this.#url} answered ${response.statusCode}: ${text}${held}`.slice(0, 500)));
        });
      });
      call.on('error', (error: NodeJS.ErrnoException) => {
        // The other side closed an idle connection just then: that is no answer to this request.
        if (call.reusedSocket && error.code === 'ECONNRESET') resolve(this.ask(messages, maxTokens));
        else reject(new Error(`${this.#url}: ${error.message}`));
      });
      call.end(body);
    });
  }

  /** Closes the connections. */
  close(): void {
    this.#agent.destroy();
  }
}

const textOf = ({ choices }: Chunk): string => choices?.[0]?.delta?.content ?? '';
